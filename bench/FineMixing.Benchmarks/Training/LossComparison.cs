using System.Globalization;
using FineMixing.Benchmarks.Kernels;
using FineMixing.Models;
using FineMixing.Randomness;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Benchmarks.Training;

/// <summary>Not a timing: the losses of one training run in bfloat16 beside those in single precision, from the same weights and batches.</summary>
internal static class LossComparison
{
    private const int Rows = 16;
    private const int Tokens = 32;
    private const int Vocabulary = 8000;
    private const double LearningRate = 1e-4;

    public static int Run(string[] args)
    {
        var steps = Harness.Integer(args, "--steps", 200);
        var seeds = Harness.Integer(args, "--seeds", 3);
        var harness = new Harness(1);
        harness.Header(
            "Loss in bfloat16 and in single precision",
            FormattableString.Invariant($"loss --steps {steps} --seeds {seeds}{Threads.Argument(args)}"),
            FormattableString.Invariant($"4 layers of width 256, batches of {Rows} x {Tokens} tokens, learning rate {LearningRate}, no dropout; new batches in every step"));
        var threads = Threads.Set(args);
        BFloat16.SayIfMissing(harness);
        if (BFloat16.Here || args.Contains("--emulated"))
            Compare(harness, steps, seeds, threads);
        harness.Save(args);
        return 0;
    }

    private static void Compare(Harness harness, int steps, int seeds, int threads)
    {
        var last = Math.Min(50, steps);
        harness.Line(FormattableString.Invariant($"| seed of the batches | mean loss of the first 20 steps, single / bfloat16 | of the last {last} | difference of the last {last} | goal |"));
        harness.Line("|---|---|---|---|---|");
        for (var seed = 1; seed <= seeds; seed++)
        {
            var single = Losses(lowPrecision: false, steps, seed, threads);
            var low = Losses(lowPrecision: true, steps, seed, threads);
            var (s, l) = (single.TakeLast(last).Average(), low.TakeLast(last).Average());
            harness.Line(string.Create(CultureInfo.InvariantCulture, $"| {seed} | {single.Take(20).Average():0.0000} / {low.Take(20).Average():0.0000} | {s:0.0000} / {l:0.0000} | {100 * (l - s) / s:+0.00;-0.00}% | within 2% |"));
        }

        harness.Line("");
    }

    private static List<double> Losses(bool lowPrecision, int steps, int seed, int threads)
    {
        var config = Workload.Config("minilm", dropout: 0) with { VocabularySize = Vocabulary, HiddenSize = 256, Layers = 4, Heads = 4, IntermediateSize = 1024 };
        using var training = new FastTraining(config, Workload.Weights(config), lowPrecision, threads);
        var random = new DeterministicRandom((ulong)seed);
        return [.. Enumerable.Range(0, steps).Select(_ => training.Step([.. Enumerable.Range(0, Rows).Select(_ => Sentence(random))], LearningRate))];
    }

    // A third of the words tells the class: something to learn within the run.
    private static ModelInput Sentence(DeterministicRandom random)
    {
        const int Telling = 40;
        var label = random.NextInt32(2);
        var ids = new int[Tokens];
        for (var i = 1; i < ids.Length; i++)
            ids[i] = random.NextInt32(3) == 0 ? 1000 + (label * Telling) + random.NextInt32(Telling) : 2000 + random.NextInt32(Vocabulary - 2000);
        ids[0] = 101;
        return new ModelInput(new Encoding(ids, new int[Tokens]), label == 0 ? [1, 0] : [0, 1]);
    }
}
