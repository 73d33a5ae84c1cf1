"""What is slow and the same for many experiments, worked out once for all of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from computebill.architectures import read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.training.efficiency import efficiencies_of, read_profile
from computebill.training.layout import DEFAULT_SEQUENCE, check_sequence_length, default_sequence
from computebill.training.serving import cache_elements
from computebill.training.software import Software, read_software
from computebill.training.utilisation import Utilisation

from .expand import Cell
from .experiments import Experiments, Model, make_experiments

MOST = 8192
"""Accelerators of an experiment whose number is not given, at most."""


@dataclass
class Workshop:
    """Holds the parts, models and utilisations that experiments share.

    Attributes:
        software: generation of the training software.
        efficiency: a file of fitted efficiencies; else each accelerator's own, or the shipped.
        profiles: folders of accelerator profiles of one's own.
        most: accelerators of an experiment whose number is not given.
    """

    software: Software
    efficiency: Path | None
    profiles: Sequence[Path] = ()
    most: int = MOST
    _accelerators: dict[str, Accelerator] = field(default_factory=dict)
    _utilisations: dict[tuple[str, str, int], Utilisation] = field(default_factory=dict)
    _models: dict[str, Model] = field(default_factory=dict)

    def accelerator(self, cell: Cell) -> Accelerator:
        """Return a cell's accelerator.

        Raises:
            RequestError: where it gives none, or it is not known.
        """
        name = cell.apart.get("accelerator")
        if not isinstance(name, str):
            raise RequestError("accelerator", "is missing; a group or defaults has to give one")
        if name not in self._accelerators:
            self._accelerators[name] = find_accelerator(name, self.profiles)
        return self._accelerators[name]

    def precision(self, cell: Cell) -> str:
        """Return a cell's precision; the accelerator's own where it gives none.

        Raises:
            RequestError: where the accelerator does not have it.
        """
        accelerator = self.accelerator(cell)
        name = str(cell.apart.get("precision", accelerator.default_precision))
        accelerator.peak(name)  # refuses what the part does not have
        return name

    def experiments(self, cell: Cell, given: Mapping[str, Tensor]) -> Experiments:
        """Return a cell's experiments.

        Args:
            cell: they are of.
            given: their fields, by name; ``(experiments,)`` each.

        Raises:
            RequestError: where some have no size.
        """
        model = None if cell.group.gpu_hours is not None else self._model(cell)
        return make_experiments(cell, given, self.accelerator(cell), self.precision(cell), model)

    def utilisation(self, experiments: Experiments) -> Utilisation:
        """Return what experiments train at.

        Raises:
            RequestError: where the model cannot take so long a sequence.
        """
        model, given = experiments.model, experiments.cell.apart.get("sequence_length")
        if model is not None:
            sequence = int(given or default_sequence(model.architecture))
            check_sequence_length(model.architecture, sequence)
        else:
            sequence = int(given or DEFAULT_SEQUENCE)
        accelerator, precision = experiments.accelerator, experiments.precision
        key = (accelerator.name, precision, sequence)
        if key not in self._utilisations:
            fitted = efficiencies_of(accelerator, self.efficiency)
            self._utilisations[key] = Utilisation(
                accelerator, precision, sequence, self.software, fitted
            )
        return self._utilisations[key]

    def _model(self, cell: Cell) -> Model | None:
        name = cell.apart.get("model")
        if not isinstance(name, str):
            return None
        if name not in self._models:
            architecture = read_architecture(name)
            architecture = architecture.at(default_sequence(architecture))
            counted = count_parameters(columns(architecture))
            self._models[name] = Model(
                architecture, float(counted.total), float(counted.active), cache_elements(name)
            )
        return self._models[name]


def make_workshop(
    software: str, efficiency: Path | None, profiles: Sequence[Path], most: int | None
) -> Workshop:
    """Return what works out experiments.

    Raises:
        RequestError: where the software or the file of efficiencies is not known.
    """
    if efficiency is not None:
        read_profile(efficiency)  # refuses a wrong file before anything is computed
    return Workshop(read_software(software), efficiency, profiles, most or MOST)
