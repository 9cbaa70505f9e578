using FineMixing.Benchmarks.Kernels;
using FineMixing.Models;
using FineMixing.Randomness;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Benchmarks.Training;

/// <summary>Not a timing: losses of training runs from the same weights on the same batches, the naive loop's beside FineMixing's in single precision, and these beside those in bfloat16.</summary>
internal static class LossComparison
{
    private const int Rows = 16;
    private const int Tokens = 32;
    private const int Vocabulary = 8000;
    private const int First = 20;
    private const double LearningRate = 1e-4;

    private static readonly ModelConfig Config = Workload.Config("minilm", dropout: 0) with { VocabularySize = Vocabulary, HiddenSize = 256, Layers = 4, Heads = 4, IntermediateSize = 1024 };

    public static int Run(string[] args)
    {
        var steps = Harness.Integer(args, "--steps", 150);
        var seeds = Harness.Integer(args, "--seeds", 3);
        var emulated = args.Contains("--emulated");
        var harness = new Harness(1);
        harness.Header(
            "Losses: the naive loop, single precision, bfloat16",
            FormattableString.Invariant($"loss --steps {steps} --seeds {seeds}{Threads.Argument(args)}"),
            FormattableString.Invariant($"4 layers of width 256, {steps} steps of {Rows} x {Tokens} tokens, learning rate {LearningRate}, no dropout; the same weights, new batches in every step"));
        var threads = Threads.Set(args);
        if (!emulated)
            BFloat16.SayIfMissing(harness);
        Compare(harness, steps, seeds, threads, BFloat16.Here || emulated);
        harness.Save(args);
        return 0;
    }

    private static void Compare(Harness harness, int steps, int seeds, int threads, bool bfloat16)
    {
        var last = Math.Min(50, steps);
        harness.Line(FormattableString.Invariant($"| seed of the batches | naive and single precision: largest difference of the first {First} losses | goal | mean of the last {last}: single precision | bfloat16 | difference | goal |"));
        harness.Line("|---|---|---|---|---|---|---|");
        for (var seed = 1; seed <= seeds; seed++)
        {
            var naive = Naive(Math.Min(First, steps), seed);
            var single = Losses(lowPrecision: false, steps, seed, threads);
            var mean = single.TakeLast(last).Average();
            var difference = naive.Zip(single, (a, b) => Math.Abs(a - b)).Max();
            var low = bfloat16 ? Losses(lowPrecision: true, steps, seed, threads).TakeLast(last).Average() : (double?)null;
            harness.Line(FormattableString.Invariant($"| {seed} | {difference:0.0e+0} | 1e-6 | {mean:0.0000} | {low:0.0000} | {(low - mean) / mean:+0.00%;-0.00%} | within 2% |"));
        }

        harness.Line("");
    }

    private static List<double> Naive(int steps, int seed)
    {
        using var training = new NaiveTraining(Config, LearningRate);
        training.Model.Load(Workload.Weights(Config));
        var random = new DeterministicRandom((ulong)seed);
        return [.. Enumerable.Range(0, steps).Select(_ => training.Step(Batch(random), Tokens))];
    }

    private static List<double> Losses(bool lowPrecision, int steps, int seed, int threads)
    {
        using var training = new FastTraining(Config, Workload.Weights(Config), lowPrecision, threads, shards: 1);
        var random = new DeterministicRandom((ulong)seed);
        return [.. Enumerable.Range(0, steps).Select(_ => training.Step(Batch(random), LearningRate))];
    }

    private static ModelInput[] Batch(DeterministicRandom random) => [.. Enumerable.Range(0, Rows).Select(_ => Sentence(random))];

    // A third of the words tells the class: something to learn within the run. One label in ten is wrong, so that the loss does not vanish.
    private static ModelInput Sentence(DeterministicRandom random)
    {
        const int Telling = 40;
        var label = random.NextInt32(2);
        var ids = new int[Tokens];
        for (var i = 1; i < ids.Length; i++)
            ids[i] = random.NextInt32(3) == 0 ? 1000 + (label * Telling) + random.NextInt32(Telling) : 2000 + random.NextInt32(Vocabulary - 2000);
        ids[0] = 101;
        var told = random.NextInt32(10) == 0 ? 1 - label : label;
        return new ModelInput(new Encoding(ids, new int[Tokens]), told == 0 ? [1, 0] : [0, 1]);
    }
}
