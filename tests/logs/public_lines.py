"""Lines as frameworks print them in public threads: the form is theirs, the values are others.

Each entry names the repository and the thread in which such lines stand.
"""

from __future__ import annotations

from typing import NamedTuple

BAR = "█████▍    "
GIB = 2.0**30


class Printed(NamedTuple):
    """Lines of a log, and what they say.

    Attributes:
        where: repository and thread.
        format: whose lines they are.
        text: the lines.
        says: columns, their values row by row; None: a row does not tell it.
        unread: lines that look like steps and cannot be read.
    """

    where: str
    format: str
    text: str
    says: dict[str, list[float | None]]
    unread: int = 0


PRINTED = (
    Printed(
        "NVIDIA/Megatron-LM#756",
        "megatron",
        """training ...
 [2025-02-03 10:00:06] iteration       11/     200 | consumed samples:         1408 | elapsed time per iteration (ms): 5321.5 | throughput per GPU (TFLOP/s/GPU): 245.1 | learning rate: 2.200000E-06 | global batch size:   128 | lm loss: 1.925991E+00 | load_balancing_loss: 1.019746E+00 | loss scale: 1.0 | grad norm: 1.426 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 |
 [2025-02-03 10:00:11] iteration       12/     200 | consumed samples:         1536 | elapsed time per iteration (ms): 5400.0 | throughput per GPU (TFLOP/s/GPU): 241.5 | learning rate: 2.400000E-06 | global batch size:   128 | lm loss: 1.875063E+00 | load_balancing_loss: 1.020033E+00 | loss scale: 1.0 | grad norm: 1.327 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 |
""",
        {
            "step": [11, 12], "steps": [200, 200], "samples": [1408, 1536],
            "seconds": [5.3215, 5.4], "tflops": [245.1, 241.5], "batch": [128, 128],
            "loss": [1.925991, 1.875063], "skipped": [0, 0],
        },
    ),
    Printed(
        "epfLLM/Megatron-LLM#11",
        "megatron",
        """ iteration      222/  250000 | consumed samples:       227328 | elapsed time per iteration (ms): 76545.2 | learning rate: 9.150E-06 | global batch size:  1024 | lm loss: 2.404220E+00 | loss scale: 1.0 | grad norm: 0.231 | number of skipped iterations:   0 | number of nan iterations:   0 |
""",
        {"step": [222], "seconds": [76.5452], "batch": [1024], "loss": [2.40422], "at": [None]},
    ),
    Printed(
        "NVIDIA/nccl#743",
        "megatron",
        """[before the start of training step] datetime: 2022-11-01 08:35:51
 iteration       10/ 1000000 | consumed samples:           40 | elapsed time per iteration (ms): 456.2 | learning rate: 0.000E+00 | global batch size:     4 | loss scale: 8388608.0 | number of skipped iterations:  10 | number of nan iterations:   0 |
time (ms) | forward-compute: 193.77 | backward-compute: 73.02 | optimizer: 63.01 | batch-generator: 25.27
 iteration       20/ 1000000 | consumed samples:           80 | elapsed time per iteration (ms): 150.6 | learning rate: 2.020E-08 | global batch size:     4 | lm loss: 1.105022E+01 | sop loss: 8.174902E-01 | loss scale: 32768.0 | grad norm: 217.199 | number of skipped iterations:   8 | number of nan iterations:   0 |
""",
        {"step": [10, 20], "seconds": [0.4562, 0.1506], "loss": [None, 11.05022],
         "skipped": [10, 8]},
    ),
    Printed(
        "NVIDIA/Megatron-LM#5662",
        "megatron",
        """[2026-08-10 05:46:31.627699] iteration       20/      40 | consumed samples:          320 | elapsed time per iteration (ms): 844.0 | learning rate: 0.000000E+00 | global batch size:    16 | lm loss: 1.120935E+00 | loss scale: 1.0 | grad norm: 2.939 | number of skipped iterations:   0 | number of nan iterations:   0 |
[Rank 0] (after 20 iterations) memory (MB) | allocated: 3270.16 | max allocated: 5670.39 | reserved: 6406.00 | max reserved: 6408.00
""",
        {"step": [20], "seconds": [0.844], "memory": [6408 * 2**20]},
    ),
    Printed(
        "deepspeedai/DeepSpeed#3742 (GPT-NeoX)",
        "megatron",
        """[2024-07-25 21:03:17,269] [INFO] [timer.py:215:stop] epoch=0/micro_step=34/global_step=34, RunningAvgSamplesPerSec=7.86, CurrSamplesPerSec=8.009, MemAllocated=59.65GB, MaxMemAllocated=63.31GB
 samples/sec: 7.9 | iteration       34/   10000 | elapsed time per iteration (ms): 4050.5 | learning rate: 2.111E-06 | approx flops per GPU: 112.9TFLOPS | lm_loss: 1.128665E+01 | number of skipped iterations:   0 | number of nan iterations:   0 |
 samples/sec: 7.9 | iteration       35/   10000 | elapsed time per iteration (ms): 4051.5 | learning rate: 2.111E-06 | approx flops per GPU: 112.9TFLOPS | lm_loss: 1.128665E+01 | number of skipped iterations:   0 | number of nan iterations:   0 |
""",
        {"step": [34, 35], "seconds": [4.0505, 4.0515], "loss": [11.28665, 11.28665]},
    ),
    Printed(
        "pytorch/torchtitan#2389 (every rank prints)",
        "torchtitan",
        """[titan] 2026-03-24 19:46:17,508 - root - INFO - step:  4  loss:  7.52585  grad_norm: 26.6250  memory: 66.91GiB(37.51%)  tps: 10,150  tflops: 314.71  mfu: 13.99%
[titan] 2026-03-24 19:46:17,508 - root - INFO - step:  4  loss:  7.52585  grad_norm: 26.6250  memory: 66.91GiB(37.51%)  tps: 10,149  tflops: 314.69  mfu: 13.99%
""",
        {"step": [4, 4], "loss": [7.52585, 7.52585], "tokens_per_s_gpu": [10150, 10149],
         "memory": [66.91 * GIB, 66.91 * GIB], "tflops": [314.71, 314.69], "mfu": [0.1399, 0.1399]},
    ),
    Printed(
        "pytorch/torchtitan#3393 (in colours)",
        "torchtitan",
        "[rank0]:[titan] 2026-06-18 16:04:46,338 - root - INFO - \x1b[31mstep: 14  \x1b[32mloss:  3.14405  "
        "\x1b[38;2;180;60;0mgrad_norm:  0.8319  \x1b[38;2;54;234;195mmemory:  9.46GiB(64.99%)  "
        "\x1b[34mtps: 7,182  \x1b[36mtflops: 0.52  \x1b[35mmfu: 0.17%\x1b[39m\n",
        {"step": [14], "loss": [3.14405], "tokens_per_s_gpu": [7182], "mfu": [0.0017]},
    ),
    Printed(
        "pytorch/torchtitan#364 (words a second)",
        "torchtitan",
        """[rank0]:2024-07-13 12:53:16,156 - root - INFO - step:  1  loss: 12.1550  memory: 33.35GiB(35.09%)  wps: 552  mfu: 3.17%
[rank0]:2024-07-13 12:53:16,156 - root - INFO - Synchronizing and adjusting timeout for all ProcessGroups to 0:01:40
[rank0]:2024-07-13 12:53:42,562 - root - INFO - step: 10  loss: 10.7798  memory: 41.18GiB(43.33%)  wps: 2,892  mfu: 16.35%
""",
        {"step": [1, 10], "tokens_per_s_gpu": [552, 2892], "mfu": [0.0317, 0.1635]},
    ),
    Printed(
        "huggingface/nanotron#390 (cut in front)",
        "nanotron",
        """36.9 | hardware_tflops_per_gpu: 36.9 | grad_norm: 1.27
11/17/2025 16:31:56 [INFO|DP=0|PP=0|TP=0]: iteration: 227281 / 378950 | consumed_tokens: 75.8G | elapsed_time_per_iteration_ms: 12.5K | tokens_per_sec: 21.8K | tokens_per_sec_per_gpu: 10.9K | global_batch_size: 64 | lm_loss: 2.48 | lr: 1e-05 | model_tflops_per_gpu: 37.3 | hardware_tflops_per_gpu: 37.3 | grad_norm: 1.25
11/17/2025 16:32:09 [INFO|DP=0|PP=0|TP=0]: iteration: 227282 / 378950 | consumed_tok
""",
        {"step": [227281], "steps": [378950], "tokens": [75.8e9], "seconds": [12.5],
         "tokens_per_s": [21800], "tokens_per_s_gpu": [10900], "batch": [64], "loss": [2.48],
         "tflops": [37.3]},
    ),
    Printed(
        "huggingface/nanotron#23",
        "nanotron",
        """02/17/2024 13:47:27 [INFO|DP=0|PP=0|TP=0|ip-26-0-160-225]: iteration: 891 / 1000 | consumed_tokens: 534K | elapsed_time_per_iteration_ms: 46 | tokens_per_sec: 14.2K | tokens_per_sec_per_gpu: 1.78K | global_batch_size: 20 | lm_loss: 10.5 | lr: 1e-05 | model_tflops_per_gpu: 0.00869 | hardware_tflops_per_gpu: 0.00869 | grad_norm: 0.515 | cuda_memory_allocated: 75.2M | cuda_max_memory_reserved: 557M | hd_total_memory_tb: 312G | hd_used_memory_tb: 61.8G | hd_free_memory_tb: 250G
""",
        {"step": [891], "seconds": [0.046], "tokens_per_s_gpu": [1780], "memory": [557e6]},
    ),
    Printed(
        "AI-Hypercomputer/maxtext#4847",
        "maxtext",
        """I0811 21:54:55.531340 138304841739136 metric_logger.py:226] completed step: 1, seconds: 0.731, TFLOP/s/device: 5688.282, Tokens/s/device: 311629.521, total_weights: 1572864, loss: 12.879, lm_loss: 12.879, perplexity: 433358.281
I0811 21:55:06.119312 138304841739136 metric_logger.py:226] completed step: 2, seconds: 10.328, TFLOP/s/device: 350.869, Tokens/s/device: 19122.175, total_weights: 1572864, loss: 12.980, lm_loss: 12.980, perplexity: 433463.719
I0811 21:55:27.300509       7 profiler_session.cc:121] Profiler session initializing.
""",
        {"step": [1, 2], "seconds": [0.731, 10.328], "tokens_per_s_gpu": [311629.521, 19122.175],
         "step_tokens": [1572864, 1572864], "loss": [12.879, 12.98], "tflops": [5688.282, 350.869]},
    ),
    Printed(
        "AI-Hypercomputer/maxtext#8",
        "maxtext",
        "completed step: 16107, seconds: 2.267, TFLOP/s: 35.722, loss: 2.291\n",
        {"step": [16107], "seconds": [2.267], "tflops": [35.722], "loss": [2.291]},
    ),
    Printed(
        "NVIDIA-BioNeMo/bionemo-recipes#740 (NeMo 2)",
        "nemo",
        """Training epoch 0, iteration 120/149 | lr: 3e-05 | consumed_samples: 242 | global_batch_size: 2 | global_step: 120 | reduced_train_loss: 1.333 | train_step_timing in s: 0.04146 | val_loss: 4.106
Training epoch 0, iteration 121/149 | lr: 3e-05 | consumed_samples: 244 | global_batch_size: 2 | global_step: 121 | reduced_train_loss: 1.388 | train_step_timing in s: 0.0417 | val_loss: 4.106
""",
        {"step": [120, 121], "steps": [149, 149], "samples": [242, 244], "batch": [2, 2],
         "loss": [1.333, 1.388], "seconds": [0.04146, 0.0417]},
    ),
    Printed(
        "NVIDIA-NeMo/Speech#7957 (NeMo 1)",
        "nemo",
        """Epoch 0: :   3%|▎         | 8000/301500 [1:32:42<55:37:46, v_num=0-56, reduced_train_loss=7.100, global_step=8e+3, consumed_samples=5.6e+5, train_step_timing in s=0.625, val_loss=7.140]
Epoch 0, global step 8000: 'val_loss' reached 7.14238 (best 7.14238), saving model to 'x.ckpt' as top 3
""",
        {"step": [8000], "steps": [301500], "elapsed": [5562], "seconds": [0.625],
         "samples": [5.6e5], "loss": [7.1]},
    ),
    Printed(
        "NVIDIA/NeMo-Framework-Launcher#55 (Lightning's bar)",
        "nemo",
        "Epoch 0:   1%|          | 785/77225 [9:07:58<878:01:48, 41.36s/it, loss=3.2, v_num=, "
        "reduced_train_loss=3.190, global_step=784.0, consumed_samples=1.61e+6]\n",
        {"step": [785], "steps": [77225], "elapsed": [32878], "loss": [3.2]},
    ),
    Printed(
        "deepspeedai/DeepSpeed#1825",
        "deepspeed",
        """[2023-03-11 02:06:58,985] [INFO] [logging.py:69:log_dist] [Rank 0] step=40, skipped=2, lr=[5e-05], mom=[[0.9, 0.999]]
[2023-03-11 02:06:58,985] [INFO] [timer.py:189:stop] 0/40, SamplesPerSec=81.48609168106144, MemAllocated=0.26GB, MaxMemAllocated=9.12GB
<IPython.core.display.HTML object>
[2023-03-11 02:07:14,130] [INFO] [logging.py:69:log_dist] [Rank 0] step=50, skipped=2, lr=[5e-05], mom=[[0.9, 0.999]]
[2023-03-11 02:07:14,130] [INFO] [timer.py:189:stop] 0/50, SamplesPerSec=82.73838805358588, MemAllocated=0.26GB, MaxMemAllocated=9.12GB
""",
        {"step": [40, 50], "skipped": [2, 2], "samples_per_s": [81.48609168, 82.73838805],
         "memory": [9.12 * GIB, 9.12 * GIB]},
    ),
    Printed(
        "deepspeedai/DeepSpeed#2629 (timer alone)",
        "deepspeed",
        """stdout: [2023-12-20 08:26:23,022] [INFO] [stage3.py:1816:_overflow_clean_up] [deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 2147483648.0, reducing to 1073741824.0
stdout: [2023-12-20 08:26:23,230] [INFO] [timer.py:197:stop] 0/3, RunningAvgSamplesPerSec=155.6578714851469, CurrSamplesPerSec=155.6578714851469, MemAllocated=1.75GB, MaxMemAllocated=2.52GB
stdout: [2023-12-20 08:26:23,435] [INFO] [timer.py:197:stop] 0/4, RunningAvgSamplesPerSec=156.58969861135083, CurrSamplesPerSec=157.53267739554113, MemAllocated=1.75GB, MaxMemAllocated=2.52GB
""",
        {"step": [3, 4], "samples_per_s": [155.65787149, 157.5326774]},
    ),
    Printed(
        "deepspeedai/DeepSpeed#1934 (pipeline engine)",
        "deepspeed",
        "steps: 30 loss: 5.4321 iter time (s): 1.250 samples/sec: 204.800\n",
        {"step": [30], "loss": [5.4321], "seconds": [1.25], "samples_per_s": [204.8]},
    ),
    Printed(
        "mosaicml/examples#118 (Composer)",
        "llm-foundry",
        """[batch=12/4800]:
         Train trainer/global_step: 11
         Train memory/reserved_mem: 40017854464
         Train loss/train/total: 9.6237
         Train metrics/train/LanguageCrossEntropy: 9.6237
         Train throughput/batches_per_sec: 0.3258
         Train throughput/samples_per_sec: 83.3991
         Train throughput/device/batches_per_sec: 0.1629
         Train throughput/tokens_per_sec: 170801.3840
         Train throughput/device/tokens_per_sec: 85400.6920
         Train throughput/device/mfu: 0.2677
         Train wall_clock/train: 39.0700
[batch=13/4800]:
         Train trainer/global_step: 12
         Train loss/train/total: 9.5237
""",
        {"step": [12, 13], "steps": [4800, 4800], "loss": [9.6237, 9.5237],
         "tokens_per_s_gpu": [85400.692, None], "tokens_per_s": [170801.384, None],
         "steps_per_s": [0.3258, None], "mfu": [0.2677, None], "memory": [40017854464, None],
         "elapsed": [39.07, None]},
    ),
    Printed(
        "mosaicml/composer#2357 (memory in GB)",
        "llm-foundry",
        """[epoch=1][batch=3/20]:
         Train memory/current_reserved_mem: 4.0643
         Train memory/peak_reserved_mem: 14.6740
         Train loss/train/total: 11.5525
         Train throughput/device/tokens_per_sec: 222.2194
""",
        {"step": [3], "memory": [14.674e9], "tokens_per_s_gpu": [222.2194], "loss": [11.5525]},
    ),
    Printed(
        "axolotl-ai-cloud/axolotl#3196",
        "transformers",
        """{'loss': 4.65, 'grad_norm': 98.5, 'learning_rate': 5e-06, 'memory/max_mem_active(gib)': 25.45, 'memory/max_mem_allocated(gib)': 25.45, 'memory/device_mem_reserved(gib)': 30.22, 'epoch': 1.0}
{'loss': 2.1312, 'grad_norm': 59.5, 'learning_rate': 4.956766880907269e-06, 'memory/max_mem_active(gib)': 34.89, 'memory/max_mem_allocated(gib)': 34.89, 'memory/device_mem_reserved(gib)': 41.26, 'epoch': 2.0}
""",
        {"step": [1, 2], "loss": [4.65, 2.1312], "memory": [30.22 * GIB, 41.26 * GIB],
         "epoch": [1, 2]},
    ),
    Printed(
        "axolotl-ai-cloud/axolotl#3072 (tokens a second)",
        "transformers",
        "{'loss': 1.65, 'grad_norm': 0.5, 'learning_rate': 5e-06, 'tokens_per_second_per_gpu': "
        "2345.67, 'epoch': 1.0}\n",
        {"tokens_per_s_gpu": [2345.67], "loss": [1.65]},
    ),
    Printed(
        "axolotl-ai-cloud/axolotl#592 (bars, and lines of loss)",
        "transformers",
        f"""[2024-09-17 13:18:20,123] [INFO] [axolotl.utils.dataloader._len_est:264] [PID:11100] [RANK:0] packing_efficiency_estimate: 0.77
 32%|{BAR}| 281/873 [25:36<52:46,  5.35s/it]
 32%|{BAR}| 282/873 [25:40<49:29,  5.02s/it]
{{'loss': 0.7635, 'learning_rate': 0.0001369640787949015, 'epoch': 0.97}}
 32%|{BAR}| 283/873 [25:44<47:06,  4.79s/it]
""",
        {"step": [281, 282, 283], "steps": [873] * 3, "elapsed": [1536, 1540, 1544],
         "loss": [None, 0.7635, None]},
    ),
    Printed(
        "tatsu-lab/stanford_alpaca#243 (lines of loss alone)",
        "transformers",
        """{'loss': 1.3607, 'learning_rate': 6.31578947368421e-06, 'epoch': 0.03}
{'loss': 1.2007, 'learning_rate': 7.368421052631579e-06, 'epoch': 0.03}
{'train_runtime': 225.8005, 'train_samples_per_second': 3.543, 'train_steps_per_second': 0.5, 'train_loss': 1.28, 'epoch': 0.03}
""",
        {"step": [1, 2], "loss": [1.3607, 1.2007], "steps_per_s": [None, 0.5],
         "run_seconds": [None, 225.8005]},
    ),
    Printed(
        "modelscope/ms-swift (its trainer's own step)",
        "transformers",
        "{'loss': 1.44893646, 'grad_norm': 8.375, 'learning_rate': 5e-08, 'token_acc': 0.63, 'epoch': 0.96, "
        "'global_step/max_steps': '90/94', 'percentage': '95.74%', 'elapsed_time': '2m 52s', "
        "'remaining_time': '7s', 'memory(GiB)': 6.5, 'train_speed(iter/s)': 0.520707}\n",
        {"step": [90], "steps": [94], "memory": [6.5 * GIB], "steps_per_s": [0.520707]},
    ),
    Printed(
        "karpathy/nanoGPT#110",
        "nanogpt",
        "iter 1731: loss 4.1863, time 571.94ms\niter 1732: loss 3.8441, time 573.15ms, mfu 30.15%\n",
        {"step": [1731, 1732], "loss": [4.1863, 3.8441], "seconds": [0.57194, 0.57315],
         "mfu": [None, 0.3015]},
    ),
    Printed(
        "karpathy/nanochat (scripts/base_train.py)",
        "nanochat",
        "step 00150/21400 (0.70%) | loss: 5.123456 | lrm: 1.00 | dt: 651.23ms | tok/sec: 740,123 | "
        "mfu: 47.11 | epoch: 1 | total time: 1.52m | eta: 230.6m\n",
        {"step": [150], "steps": [21400], "loss": [5.123456], "seconds": [0.65123],
         "tokens_per_s": [740123], "mfu": [0.4711]},
    ),
    Printed(
        "karpathy/autoresearch (lines that are written over)",
        "nanochat",
        "step 00308 (99.5%) | loss: 3.462771 | lrm: 0.00 | dt: 1024ms | tok/sec: 128,238 | mfu: 18.2% | "
        "epoch: 1 | remaining: 1s      \rstep 00309 (99.8%) | loss: 3.452771 | lrm: 0.00 | dt: 1014ms | "
        "tok/sec: 129,238 | mfu: 18.3% | epoch: 1 | remaining: 0s      \n",
        {"step": [308, 309], "seconds": [1.024, 1.014], "mfu": [0.182, 0.183]},
    ),
    Printed(
        "meta-pytorch/torchtune (its DiskLogger)",
        "torchtune",
        "Step 7 | loss:1.2345 lr:2e-05 tokens_per_second_per_gpu:1834.5 grad_norm:1.1 "
        "peak_memory_active:16.1 peak_memory_alloc:16.1 peak_memory_reserved:17.5\n",
        {"step": [7], "loss": [1.2345], "tokens_per_s_gpu": [1834.5], "memory": [17.5 * GIB]},
    ),
    Printed(
        "pytorch/torchtitan (a validation is no step)",
        "torchtitan",
        """[rank0]:[titan] 2026-04-27 20:58:58,959 - root - INFO - step: 1000  loss:  4.05317  grad_norm:  0.0574  memory: 26.01GiB(82.96%)  tps: 3,220  tflops: 9.17  mfu: 2.94%
[rank0]:[titan] 2026-04-27 21:00:14,963 - root - INFO - validate step: 1000  loss:  4.0249  memory: 26.01GiB(82.96%)  tps: 9,115
[rank0]:[titan] 2026-04-27 21:02:47,311 - root - INFO - step: 1010  loss:  4.05823  grad_norm:  0.0785  memory: 26.01GiB(82.96%)  tps: 3,217  tflops: 9.16  mfu: 2.93%
""",
        {"step": [1000, 1010], "loss": [4.05317, 4.05823], "tokens_per_s_gpu": [3220, 3217]},
    ),
    Printed(
        "deepspeedai/Megatron-DeepSpeed (its own lines beside DeepSpeed's)",
        "megatron",
        """steps: 1 loss: 12.5360 iter time (s): 15.061 samples/sec: 1.062
 iteration        1/     500 | consumed samples:           16 | consumed tokens:        32768 | elapsed time per iteration (ms): 15065.9 | learning rate: 2.000E-07 | global batch size:    16 | lm loss: 1.253599E+01 | loss scale: 1.0 | grad norm: 20.203 | num zeros: 0.0 | actual seqlen:  2048 | number of skipped iterations:   0 | number of nan iterations:   0 | samples per second: 1.062 | tokens per gpu per second (tgs): 135.935 | TFLOPs: 10.25 |
steps: 2 loss: 12.5592 iter time (s): 15.121 samples/sec: 1.058
 iteration        2/     500 | consumed samples:           32 | consumed tokens:        65536 | elapsed time per iteration (ms): 15128.0 | learning rate: 4.000E-07 | global batch size:    16 | lm loss: 1.255919E+01 | loss scale: 1.0 | grad norm: 19.996 | num zeros: 0.0 | actual seqlen:  2048 | number of skipped iterations:   0 | number of nan iterations:   0 | samples per second: 1.058 | tokens per gpu per second (tgs): 135.375 | TFLOPs: 10.21 |
""",
        {"step": [1, 2], "steps": [500, 500], "tokens": [32768, 65536], "seconds": [15.0659, 15.128],
         "batch": [16, 16], "loss": [12.53599, 12.55919]},
    ),
    Printed(
        "EleutherAI/gpt-neox (its speed and FLOP)",
        "megatron",
        " samples/sec: 6.185 | iteration       20/   11000 | elapsed time per iteration (ms): 161.7 | learning rate: 3.000E-04 | approx flops per GPU: 19.9TFLOPS | lm_loss: 9.452045E+00 | number of skipped iterations:   0 | number of nan iterations:   0 |\n",
        {"step": [20], "samples_per_s": [6.185], "seconds": [0.1617], "tflops": [19.9],
         "loss": [9.452045]},
    ),
    Printed(
        "allenai/OLMo",
        "olmo",
        """2025-12-07 17:31:02.824\train-fin-02:0\tolmo.train:979\tINFO\t[step=1/7630,epoch=0]
    optim/total_grad_norm=10.56
    train/CrossEntropyLoss=11.28
    train/Perplexity=79,551
    throughput/total_tokens=131,072
    System/Peak GPU Memory (MB)=55,073
2025-12-07 17:31:05.474\train-fin-02:0\tolmo.train:979\tINFO\t[step=2/7630,epoch=0]
    train/CrossEntropyLoss=10.74
    throughput/total_tokens=262,144
    throughput/device/tokens_per_second=49,318
    throughput/device/batches_per_second=0.3763
2025-12-07 17:31:06.000\train-fin-02:0\tolmo.train:1042\tINFO\t[eval_step=1/5]
""",
        {"step": [1, 2], "steps": [7630, 7630], "loss": [11.28, 10.74], "tokens": [131072, 262144],
         "tokens_per_s_gpu": [None, 49318], "memory": [55073e6, None]},
    ),
    Printed(
        "allenai/OLMo-core",
        "olmo-core",
        """2025-12-22 09:14:03.120\tnode-0:0\tolmo_core.train.callbacks.console_logger:93\tINFO\t[step=10/10000,epoch=1,eta=1h20m3s]
    gpu_memory/GPU reserved mem (GiB)=62.69
    optim/total grad norm=0.5816
    throughput/device/BPS (actual avg)=2.990
    throughput/device/MFU=44.57
    throughput/device/MFU (actual avg)=33.82
    throughput/device/TPS=258,163
    throughput/device/TPS (actual avg)=195,922
    throughput/total tokens=5,242,880
    train/CE loss=6.445
2025-12-22 09:14:03.520\tnode-0:0\tolmo_core.train.callbacks.console_logger:79\tINFO\t[step=11/10000,epoch=1]
""",
        {"step": [10, 11], "steps": [10000, 10000], "loss": [6.445, None], "mfu": [0.4457, None],
         "tokens_per_s_gpu": [258163, None], "tokens": [5242880, None],
         "memory": [62.69 * GIB, None]},
    ),
    Printed(
        "NVIDIA-NeMo/Automodel",
        "automodel",
        """2025-09-01 07:13:33 | INFO | root | step 1 | epoch 0 | loss 10.9421 | grad_norm 12.9375 | lr 6.08e-05 | mem 38.39 GiB | tps 131005.57(65502.79/gpu) | num_label_tokens 524288
2025-09-01 07:13:37 | INFO | root | step 2 | epoch 0 | loss 10.1046 | grad_norm 6.0312 | lr 6.15e-05 | mem 38.63 GiB | tps 146146.38(73073.19/gpu) | num_label_tokens 524288
""",
        {"step": [1, 2], "loss": [10.9421, 10.1046], "tokens_per_s": [131005.57, 146146.38],
         "tokens_per_s_gpu": [65502.79, 73073.19], "memory": [38.39 * GIB, 38.63 * GIB]},
    ),
    Printed(
        "verl-project/verl (its console)",
        "verl",
        """\x1b[36m(TaskRunner pid=54569)\x1b[0m step:1 - global_seqlen/mean:40211.5 - actor/pg_loss:-0.018 - perf/mfu/actor:0.31 - perf/max_memory_allocated_gb:51.2 - perf/max_memory_reserved_gb:62.5 - timing_s/gen:18.9 - timing_s/step:65.25 - perf/total_num_tokens:321692 - perf/time_per_step:65.25 - perf/throughput:616.27
\x1b[36m(TaskRunner pid=54569)\x1b[0m step:2 - actor/pg_loss:np.float64(-0.016) - perf/max_memory_reserved_gb:np.float64(63.5) - timing_s/step:64.5 - perf/total_num_tokens:320000 - perf/throughput:620.155
""",
        {"step": [1, 2], "seconds": [65.25, 64.5], "step_tokens": [321692, 320000],
         "tokens_per_s_gpu": [616.27, 620.155], "memory": [62.5 * GIB, 63.5 * GIB],
         "loss": [-0.018, -0.016]},
    ),
    Printed(
        "verl-project/verl (fine-tuning)",
        "verl",
        "step:0 - train/loss:0.046 - train/lr(1e-3):0.002 - train/time(s):1.25\n",
        {"step": [0], "loss": [0.046], "seconds": [1.25]},
    ),
    Printed(
        "hiyouga/LLaMA-Factory (trainer_log.jsonl)",
        "llama-factory",
        """{"current_steps": 5, "total_steps": 5100, "loss": 0.6391, "accuracy": 1.0, "lr": 9.8e-10, "epoch": 0.0019, "percentage": 0.02, "elapsed_time": "0:01:03", "remaining_time": "3 days, 17:51:32", "throughput": 1034.2, "total_tokens": 65536}
{"current_steps": 5, "total_steps": 5100, "loss": null, "eval_loss": 0.61, "epoch": 0.0019, "elapsed_time": "0:03:03", "remaining_time": "3 days, 17:51:32"}
{"current_steps": 10, "total_steps": 5100, "loss": 0.6291, "lr": 1.9e-09, "epoch": 0.0039, "percentage": 0.04, "elapsed_time": "1 day, 0:01:48", "remaining_time": "3 days, 4:29:51"}
""",
        {"step": [5, 10], "steps": [5100, 5100], "loss": [0.6391, 0.6291], "tokens": [65536, None],
         "elapsed": [63, 86508]},
    ),
    Printed(
        "KellerJordan/modded-nanogpt (its code stands before its lines)",
        "modded-nanogpt",
        """        print0(f"step:{step+1}/{train_steps} train_time:{approx_time:.0f}ms step_avg:{approx_time/(step+1):.2f}ms")
step:0/1390 val_loss:10.8280 train_time:0ms step_avg:0.03ms
step:1/1390 train_time:102ms step_avg:102.20ms
step:2/1390 train_time:145ms step_avg:72.26ms
step:2/1390 val_loss:9.9280 train_time:146ms step_avg:73.03ms
""",
        {"step": [1, 2], "steps": [1390, 1390], "elapsed": [0.102, 0.145]},
    ),
    Printed(
        "karpathy/llm.c",
        "llm-c",
        "step   60/18865 | loss 6.886451 (-1.25z)| norm 1.3401 (+0.12z)| lr 5.14e-05 | 2984.56 ms | 59.8% bf16 MFU | 175614 tok/s\n",
        {"step": [60], "steps": [18865], "loss": [6.886451], "seconds": [2.98456], "mfu": [0.598],
         "tokens_per_s": [175614]},
    ),
    Printed(
        "karpathy/llm.c (main.log)",
        "llm-c",
        "s:0 tel:10.968871\ns:0 trl:10.965596\ns:1 trl:10.814037\n",
        {"step": [0, 1], "loss": [10.965596, 10.814037]},
    ),
    Printed(
        "NVIDIA/NeMo (DLLogger's file)",
        "nemo",
        """DLLL {"timestamp": "1727486493.24", "datetime": "2024-09-28 01:21:33.241469", "elapsedtime": "32.9", "type": "LOG", "step": "PARAMETER", "data": {"cfg/micro_batch_size": 1}}
DLLL {"timestamp": "1727486904.61", "datetime": "2024-09-28 01:28:24.618568", "elapsedtime": "444.3", "type": "LOG", "step": 7, "data": {"reduced_train_loss": 11.06281852722168, "lr": 0.0, "global_step": 7.0, "consumed_samples": 16384.0, "grad_norm": 59.2, "train_step_timing in s": 25.5, "epoch": 0}}
""",
        {"step": [7], "loss": [11.06281852722168], "samples": [16384], "seconds": [25.5]},
    ),
    Printed(
        "modelscope/ms-swift (bars and all on one line)",
        "transformers",
        "Train:   0%|          | 1/294 [01:59<9:45:19, 119.86s/it]Train:   1%|          | 2/294 [03:17<7:42:40, 95.07s/it]"
        "   {'loss': '2.036', 'grad_norm': '49.21', 'learning_rate': '2.67e-06', 'epoch': '0.006801', "
        "'global_step/max_steps': '2/294', 'elapsed_time': '1h 3m 18s', 'remaining_time': '8h 0m 47s', "
        "'memory(GiB)': '32.86', 'train_speed(s/it)': '98.79'}\n",
        {"step": [2], "steps": [294], "elapsed": [3798], "loss": [2.036], "memory": [32.86 * GIB]},
    ),
    Printed(
        "huggingface/nanotron (of today: a step's tokens, no year)",
        "nanotron",
        """12/21 01:39:51 [INFO|DP=0|TP=0|node07]: iteration: 211364 / 1500000 | consumed_tokens: 480B | time_per_iteration_ms: 8.79K | tokens_per_sec: 182K | tokens_per_sec_per_gpu: 699 | global_batch_size: 1.6M | grad_norm: 0.112 | lm_loss: 2.04 | lr: 0.0001 | model_tflops_per_gpu: 15.4 | eta: 131 days, 1:45:39
12/21 01:40:00 [INFO|DP=0|TP=0|node07]: iteration: 211365 / 1500000 | consumed_tokens: 480B | time_per_iteration_ms: 8.74K | tokens_per_sec: 183K | tokens_per_sec_per_gpu: 703 | global_batch_size: 1.6M | grad_norm: 0.105 | lm_loss: 2.06 | lr: 0.0001 | model_tflops_per_gpu: 15.5 | eta: 130 days, 9:39:28
""",
        {"step": [211364, 211365], "steps": [1500000, 1500000], "seconds": [8.79, 8.74],
         "step_tokens": [1.6e6, 1.6e6], "batch": [None, None], "tokens_per_s_gpu": [699, 703],
         "tokens": [480e9, 480e9], "loss": [2.04, 2.06]},
    ),
    Printed(
        "shanshanwangcsc/torchtune-gpu-benchmark (its bar alone)",
        "torchtune",
        "Packing dataset:  99%|█████████▉| 51549/51760 [00:27<00:00, 1883.09it/s]\n"
        "  0%|          | 0/512 [00:00<?, ?it/s]\r  0%|          | 1/512 [04:28<9:00:00, 28.81s/it]\r"
        "1|1|Loss: 2.1916301250457764:   0%|          | 1/512 [04:28<9:00:00, 28.81s/it]\r"
        "1|1|Loss: 2.1916301250457764:   0%|          | 2/512 [05:07<6:00:00, 13.32s/it]\r"
        "1|2|Loss: 1.8521:   0%|          | 2/512 [05:07<6:00:00, 13.32s/it]\n",
        {"step": [1, 1, 2], "loss": [2.1916301250457764, 2.1916301250457764, 1.8521],
         "elapsed": [268, 307, 307]},
    ),
    Printed(
        "NVIDIA-NeMo/Automodel (its guides)",
        "automodel",
        """INFO:root:step 4 | epoch 0 | loss 1.5514 | grad_norm 102.0000 | mem: 11.66 GiB | tps 6924.50
step 8  | epoch 0 | loss 0.7913 | grad_norm 46.2500 | mem 14.58 GiB | tps 9328.79
step  9 | epoch 0 | loss 1.1696 | grad_norm 1.6721 | lr 8.59e-06 | mem 48.55 GiB | tps 2075.14/gpu | num_label_tokens 38437
step 10 | epoch 0 | loss 1.2296 | grad_norm 1.6987 | lr 8.19e-06 | mem 36.24 GiB | tps 830.26/gpu  | num_label_tokens 46638
""",
        {"step": [4, 8, 9, 10], "memory": [11.66 * GIB, 14.58 * GIB, 48.55 * GIB, 36.24 * GIB],
         "tokens_per_s": [6924.5, 9328.79, None, None],
         "tokens_per_s_gpu": [None, None, 2075.14, 830.26]},
    ),
    Printed(
        "NVIDIA/NeMo (with tokens a second)",
        "nemo",
        """[2025-10-17T11:32:59+08:00] Training epoch 0, iteration 527/999 | lr: 0.0001758 | global_batch_size: 32 | global_step: 527 | reduced_train_loss: 2.792 | train_step_timing in s: 2.389 | tokens_per_sec_per_gpu: 6.859e+03 | consumed_samples: 16896 | val_loss: 3.624
""",
        {"step": [527], "seconds": [2.389], "tokens_per_s_gpu": [6859], "samples": [16896]},
    ),
    Printed(
        "mlcommons/training_results_v5.0 (sequences seen are its steps)",
        "mlperf",
        """0: :::MLLOG {"namespace": "", "time_ms": 1745771423816, "event_type": "POINT_IN_TIME", "key": "global_batch_size", "value": 768, "metadata": {"file": "/workspace/llm/pretrain.py", "lineno": 544}}
0: :::MLLOG {"namespace": "", "time_ms": 1745771823332, "event_type": "POINT_IN_TIME", "key": "tracked_stats", "value": {"warmup_time": 399.5}, "metadata": {"file": "logging.py", "lineno": 168, "step": 0}}
0: :::MLLOG {"namespace": "", "time_ms": 1745771834642, "event_type": "POINT_IN_TIME", "key": "tracked_stats", "value": {"train_step_time": 11.25, "reduced_train_loss": 7.75}, "metadata": {"file": "logging.py", "lineno": 168, "step": 768.0}}
0: :::MLLOG {"namespace": "", "time_ms": 1745771843142, "event_type": "POINT_IN_TIME", "key": "tracked_stats", "value": {"train_step_time": 8.5, "reduced_train_loss": 7.5}, "metadata": {"file": "logging.py", "lineno": 168, "step": 1536.0}}
0: :::MLLOG {"namespace": "", "time_ms": 1745771843150, "event_type": "POINT_IN_TIME", "key": "tracked_stats", "value": {"throughput": 90.7, "train_step_time": 8.46, "max_memory_usage": 92.1}, "metadata": {"file": "logging.py", "lineno": 168, "step": 0}}
""",
        {"step": [1, 2], "samples": [768, 1536], "batch": [768, 768], "seconds": [11.25, 8.5],
         "loss": [7.75, 7.5], "at": [1745771834.642, 1745771843.142]},
    ),
    Printed(
        "mlcommons/training_results_v5.0 (losses, and a block's speed)",
        "mlperf",
        """:::MLLOG {"namespace": "", "time_ms": 1745982108766, "event_type": "POINT_IN_TIME", "key": "global_batch_size", "value": 8, "metadata": {"file": "callbacks.py", "lineno": 253}}
:::MLLOG {"namespace": "", "time_ms": 1745982607765, "event_type": "POINT_IN_TIME", "key": "train_loss", "value": 1.25, "metadata": {"file": "callbacks.py", "lineno": 138, "samples_count": 1520, "lr": 0.0004}}
:::MLLOG {"namespace": "", "time_ms": 1745982649213, "event_type": "POINT_IN_TIME", "key": "tracked_stats", "value": {"throughput": 3.75}, "metadata": {"file": "callbacks.py", "lineno": 208, "step": 1560}}
""",
        {"step": [190, 195], "batch": [8, 8], "loss": [1.25, None], "samples_per_s": [None, 3.75]},
    ),
)  # fmt: skip
