"""Training step and evaluation of a BERT classifier with PyTorch and transformers: the peers of FineMixing's benchmarks.

Same shapes as the commands `training` and `evaluation` of FineMixing.Benchmarks: random weights, 16 x 64 tokens, no dropout, gradients clipped at 1;
sentences of log-normal length (mean 12 tokens, at most 60). Needs torch and transformers; prints a Markdown table.

    taskset -c 0,1 python3 bench/peers/pytorch_bert.py --sizes minilm,base --rounds 5
    python3 bench/peers/pytorch_bert.py --device cuda --sentences 4096 --batch 512
"""
import argparse
import math
import random
import statistics
import time

import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification

SHAPES = {"minilm": (384, 6, 1536), "base": (768, 12, 3072)}


def model(size, attention, device):
    hidden, layers, inner = SHAPES[size]
    config = BertConfig(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=inner,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=2, attn_implementation=attention)
    return BertForSequenceClassification(config).to(device)


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def training_step(size, attention, bfloat16, fused, device):
    net = model(size, attention, device).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5, weight_decay=0.01, fused=fused or None)
    ids = torch.randint(1000, 30000, (16, 64), device=device)
    labels = torch.randint(0, 2, (16,), device=device)

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            loss = net(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def evaluation(size, bfloat16, batch, ordered, count, device):
    net = model(size, "sdpa", device).eval()
    source = random.Random(7)
    lengths = [min(60, max(4, int(math.exp(2.38 + 0.5 * source.gauss(0, 1))))) for _ in range(count)]
    if ordered:
        lengths.sort(reverse=True)
    texts = [torch.randint(1000, 30000, (n,)) for n in lengths]

    @torch.inference_mode()
    def classify():
        for at in range(0, count, batch):
            part = texts[at:at + batch]
            ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True).to(device)
            with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
                net(input_ids=ids, attention_mask=(ids != 0).long()).logits.float().argmax(-1).tolist()

    return classify


def milliseconds(run, times, rounds, device):
    run()
    measured = []
    for _ in range(rounds):
        wait(device)
        start = time.perf_counter()
        for _ in range(times):
            run()
        wait(device)
        measured.append(1000 * (time.perf_counter() - start) / times)
    return statistics.median(measured)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="minilm,base")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--output")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    lines = [f"# PyTorch {torch.__version__} and transformers {transformers.__version__}, {where}", "",
             f"`python3 bench/peers/pytorch_bert.py --device {options.device} --sizes {options.sizes} --rounds {options.rounds} --sentences {options.sentences} --batch {options.batch}`",
             "", "| size | case | result |", "|---|---|---|"]

    def report(size, case, result):
        lines.append(f"| {size} | {case} | {result} |")
        print(lines[-1], flush=True)

    for size in options.sizes.split(","):
        times = 20 if options.device == "cuda" else 2
        for case, attention, bfloat16, fused in [
                ("training step, single precision, as it comes", "sdpa", False, False),
                ("training step, bfloat16 autocast, fused AdamW", "sdpa", True, True),
                ("training step, the same, eager attention", "eager", True, True)]:
            ms = milliseconds(training_step(size, attention, bfloat16, fused, options.device), times, options.rounds, options.device)
            report(size, case, f"{ms:.1f} ms")
        count = options.sentences if size == "minilm" else options.sentences // 4
        for case, bfloat16, ordered in [
                ("single precision", False, False), ("sorted by length, bfloat16", True, True)]:
            ms = milliseconds(evaluation(size, bfloat16, options.batch, ordered, count, options.device), 1, options.rounds, options.device)
            report(size, f"evaluation, batches of {options.batch}, {case}", f"{1000 * count / ms:.0f} sentences/s")
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
