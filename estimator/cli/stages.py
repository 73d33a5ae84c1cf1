"""Flags of a stage that is no plain training run: what each kind takes."""

from __future__ import annotations

FIELDS = (
    (
        "kind",
        "pretrain, midtrain, context, sft, lora, distill, preference (dpo), reward, rl, ppo, "
        "generate, filter, evaluate.",
    ),
    ("steps", "Of reinforcement learning."),
    ("prompts", "Of a step."),
    ("samples-per-prompt", "Answers to each, a group."),
    ("prompt-length", "Tokens of a prompt: a number, 100..800 (p10..p90), or a CSV with tokens."),
    ("answer-length", "Tokens of an answer, the same; a step waits for the longest."),
    ("answer-mean", "Its mean, as well as it is known: 4000, 3000..6000."),
    ("longest-answer", "Most tokens of an answer: longer ones are cut there."),
    ("requests", "Prompts that are answered, by generate and evaluate."),
    ("pairs", "Of answers that are compared, by preference and reward."),
    ("epochs", "Times that what it trains on is passed (default 1)."),
    ("kept", "Samples that are kept of those made."),
    ("kept-share", "Share of the samples that is kept, 0.6."),
    ("references", "Forward passes of a reference (default 1 with rl and preference)."),
    ("reward-params", "Parameters of a reward model; without one a verifier."),
    ("reward-model", "Its config.json."),
    ("critic-params", "Parameters of PPO's critic (default: as the policy)."),
    ("critic-model", "Its config.json."),
    ("verifier-seconds", "Of a step, in which accelerators wait for a verifier."),
    ("teacher-params", "Parameters of a teacher, of distillation."),
    ("teacher-model", "Its config.json."),
    ("generators", "Accelerators apart that write rollouts."),
    ("staleness", "Steps that their answers may be behind: 0 waits (default), 1 overlaps."),
    ("fit-odds", "Odds that the layout of updates fits, 0.9; without it 5 % of memory is free."),
    ("tail", "Longest over mean answer, where a step waits for it."),
    ("throughput", "Tokens written a second and GPU, in place of the serving model's."),
    ("batch", "Sequences written at once on one copy."),
    ("trained-share", "Share of the parameters that gets gradients; near 0 with adapters."),
    ("restarted-tokens", "Tokens of steps that were thrown away and done again."),
    ("gpu-hours", "Hours that it took, in place of a prediction."),
    ("price-per-token", "USD per million tokens trained, where training is sold as a service."),
    ("price-per-token-read", "USD per million tokens read; else the same."),
    ("price-per-token-written", "USD per million tokens written; else the same."),
)
