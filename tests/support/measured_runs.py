"""A small table of measured steps, and the commands that take it."""

from __future__ import annotations

from click.testing import CliRunner, Result

from computebill.cli import main

HEADER = (
    "source_id,model,gpu,n_gpus,n_layers,hidden,n_heads,ffn_hidden,gated_mlp,vocab,seq_len,tp,pp,"
    "dp,micro_batch,global_batch_seqs,precision,framework,year,iter_seconds"
)
ROWS = (
    "a,Small,H100-SXM-80GB,8,32,4096,32,14336,1,128256,4096,1,1,8,1,64,bf16,nemo,2025,3.1",
    "b,Small,A100-80GB,8,32,4096,32,14336,1,128256,4096,1,1,8,1,64,bf16,nemo,2025,7.5",
    "b,Odd,A100-80GB,8,32,4096,32,14336,1,128256,4096,,,8,1,64,bf16,nemo,2025,7.5",
)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)
