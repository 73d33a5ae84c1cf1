#!/bin/bash
#SBATCH --nodes=8
#SBATCH --gpus-per-node=h100:8
#SBATCH --time=2-00:00:00

SEQ_LENGTH=8192
TP=${TP:-2}

MODEL_ARGS=(
    --num-layers 32
    --hidden-size 4096
    --ffn-hidden-size 14336
    --num-attention-heads 32
    --group-query-attention
    --num-query-groups 8
    --seq-length $SEQ_LENGTH
    --max-position-embeddings $SEQ_LENGTH
    --position-embedding-type rope
    --swiglu
    --normalization RMSNorm
    --disable-bias-linear
    --untie-embeddings-and-output-weights
    --attention-dropout 0.0
    --hidden-dropout 0.0
    --tokenizer-type NullTokenizer
    --vocab-size 128256
)

TRAINING_ARGS=(
    --micro-batch-size 1
    --global-batch-size 512
    --train-iters 25000
    --lr 3e-4
    --bf16
    --use-distributed-optimizer
    --overlap-grad-reduce
    --recompute-granularity selective
    --recompute-modules core_attn mlp
    --data-path $DATA_PATH
)

LAYOUT_ARGS=(
    --tensor-model-parallel-size $TP
    --pipeline-model-parallel-size 1
    --sequence-parallel
)

srun torchrun --nnodes $SLURM_NNODES --nproc_per_node 8 --node_rank $(hostname) pretrain_gpt.py \
    "${MODEL_ARGS[@]}" "${TRAINING_ARGS[@]}" "${LAYOUT_ARGS[@]}"
