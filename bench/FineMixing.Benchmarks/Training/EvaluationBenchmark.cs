using FineMixing.Benchmarks.Kernels;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>Classifying sentences of mixed lengths against the naive loop (padding to 128, batches of 32, single precision).</summary>
internal static class EvaluationBenchmark
{
    private const string Naive = "naive TorchSharp loop";

    public static int Run(string[] args)
    {
        var place = new Place(args);
        var harness = new Harness(Harness.Integer(args, "--rounds", 5));
        var sizes = Harness.Option(args, "--sizes", "minilm,base").Split(',');
        var sentences = Harness.Integer(args, "--sentences", 256);
        harness.Header(
            FormattableString.Invariant($"Evaluation, {sentences} sentences (base: {sentences / 4}), mean 12 tokens, at most 60"),
            FormattableString.Invariant($"evaluation --sizes {string.Join(',', sizes)}{(sentences == 256 ? "" : $" --sentences {sentences}")}{place.Argument}{Threads.Argument(args)}"));
        var threads = Threads.Set(args);
        place.Describe(harness);
        foreach (var size in sizes)
            Measure(harness, place, size, size == "base" ? sentences / 4 : sentences, threads, args.Contains("--budgets"));
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, Place place, string size, int count, int threads, bool budgets)
    {
        var config = Workload.Config(size, dropout: 0);
        var weights = Workload.Weights(config);
        var sentences = Workload.Sentences(count);
        var encodings = sentences.Select(s => s.Encoding).ToArray();
        using var naive = new NaiveBert(config);
        naive.to(place.Device);
        naive.eval();
        using var single = ParameterStore.Load(config, weights, place.Device, lowPrecision: false, trainable: false);
        using var low = place.HasBFloat16 ? ParameterStore.Load(config, weights, place.Device, lowPrecision: true, trainable: false) : null;
        void Classify()
        {
            using var noGradients = no_grad();
            foreach (var chunk in sentences.Chunk(32))
            {
                using var scope = NewDisposeScope();
                var (ids, mask, _) = NaiveBatch.Of(chunk, 128, place.Device);
                _ = naive.forward(ids, mask).argmax(1).cpu().data<long>().ToArray();
            }
        }

        List<Case> cases =
        [
            new(Naive, Classify),
            new("FineMixing, single precision", () => TorchPredictor.Logits(single, encodings, 0, threads), Against: Naive, Goal: place.OnGpu ? null : "0.1 (10x)"),
        ];
        if (low is not null)
            cases.Add(new Case("FineMixing, bfloat16", () => TorchPredictor.Logits(low, encodings, 0, threads), Against: Naive, Goal: place.OnGpu ? null : size == "base" ? "0.04 (25x)" : "0.033 (30x)"));
        if (budgets)
            cases.AddRange((place.OnGpu ? new[] { 4096, 8192, 32768, 65536 } : [256, 512, 2048, 4096]).Select(tokens => new Case(FormattableString.Invariant($"FineMixing, {tokens} tokens a batch"), () => TorchPredictor.Logits(low ?? single, encodings, tokens, threads), Against: Naive)));
        if (budgets && place.OnGpu)
            cases.AddRange(new[] { 16, 64, 256, 1024 }.Select(cost => new Case(FormattableString.Invariant($"FineMixing, a batch costs {cost} tokens"), () => TorchPredictor.Logits(low ?? single, encodings, 0, threads, speed: BatchingSpeed.Of(low ?? single) with { BatchCost = cost }), Against: Naive)));
        harness.Measure($"{size}: milliseconds for {count} sentences", [.. cases]);
    }
}
