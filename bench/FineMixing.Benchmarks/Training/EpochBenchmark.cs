using FineMixing.Benchmarks.Kernels;
using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Randomness;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>A share of an epoch over sentences like those of SST-2: batches of similar length, as the fine-tuner makes them, against the naive loop that pads all to 128.</summary>
internal static class EpochBenchmark
{
    private const int BatchSize = 32;
    private const int PadTo = 128;
    private const string Naive = "naive TorchSharp loop";

    public static int Run(string[] args)
    {
        var place = new Place(args);
        var harness = new Harness(Harness.Integer(args, "--rounds", 3), warmUp: !args.Contains("--no-warm-up"));
        var sizes = Harness.Option(args, "--sizes", "minilm").Split(',');
        var batches = Harness.Integer(args, "--batches", 64);
        var naiveBatches = Harness.Integer(args, "--naive-batches", 4);
        var shared = Harness.Option(args, "--shared", "");
        harness.Header(
            FormattableString.Invariant($"{batches} of the 2,105 batches of an epoch over SST-2, batch 32, dropout 0.1"),
            FormattableString.Invariant($"epoch --sizes {string.Join(',', sizes)} --batches {batches} --naive-batches {naiveBatches}{(shared.Length > 0 ? " --shared FOLDER" : "")}{place.Argument}{Threads.Argument(args)}"));
        var threads = Threads.Set(args);
        var inputs = shared.Length > 0 ? Real(shared, batches * BatchSize) : Workload.Sentences(batches * BatchSize);
        harness.Line(FormattableString.Invariant($"{(shared.Length > 0 ? "SST-2's own training sentences" : "Random ids, lengths like SST-2's")}: {inputs.Length} texts, mean {inputs.Average(i => i.Encoding.Length):0.0} tokens, longest {inputs.Max(i => i.Encoding.Length)}."));
        harness.Line(FormattableString.Invariant($"All batches of the naive loop are {BatchSize} x {PadTo}, so it runs {naiveBatches} of them and its time is multiplied by {(double)batches / naiveBatches:0.##}. FineMixing runs all, with its training loop, optimiser state included."));
        harness.Line("");
        place.Describe(harness);
        foreach (var size in sizes)
            Measure(harness, place, size, inputs, naiveBatches, threads);
        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, Place place, string size, ModelInput[] inputs, int naiveBatches, int threads)
    {
        var config = Workload.Config(size, dropout: 0.1);
        var weights = Workload.Weights(config);
        var batches = inputs.Length / BatchSize;
        using var naive = new NaiveTraining(config, device: place.Device);
        using var single = ParameterStore.Load(config, weights, place.Device, lowPrecision: false, trainable: true);
        using var low = place.HasBFloat16 ? ParameterStore.Load(config, weights, place.Device, lowPrecision: true, trainable: true) : null;
        var options = new FineTuningOptions { Epochs = 1, BatchSize = BatchSize, LearningRate = 1e-5, Threads = threads };
        Action Epoch(ParameterStore store, int shards) => place.Whole(() => TrainingLoop.Run(store, inputs, options with { Shards = shards }, null, null, null, CancellationToken.None));
        List<Case> cases =
        [
            new(Naive, place.Whole(() => NaiveSteps(naive, inputs, naiveBatches)), Times: (double)batches / naiveBatches),
        ];
        foreach (var shards in place.OnGpu ? [1] : new[] { 1, 2 })
            cases.Add(new(FormattableString.Invariant($"FineMixing, single precision, {shards} shard{(shards == 1 ? "" : "s")}"), Epoch(single, shards), Against: Naive));
        foreach (var shards in low is null ? [] : place.OnGpu ? [1] : new[] { 1, 2 })
            cases.Add(new(FormattableString.Invariant($"FineMixing, bfloat16, {shards} shard{(shards == 1 ? "" : "s")}"), Epoch(low!, shards), Against: Naive, Goal: place.OnGpu ? null : "0.067 (15x)"));

        harness.Measure(FormattableString.Invariant($"{size}: milliseconds for {batches} batches"), [.. cases]);
    }

    private static void NaiveSteps(NaiveTraining naive, ModelInput[] inputs, int count)
    {
        foreach (var batch in inputs.Chunk(BatchSize).Take(count))
            naive.Step(batch, PadTo);
    }

    // Any texts of the training file: which ones does not matter, only how long they are.
    private static ModelInput[] Real(string shared, int count)
    {
        var examples = CleanSet.FromFile(Path.Combine(shared, "data", "sst2", "train.tsv")).Examples.ToArray();
        new DeterministicRandom(7).Shuffle<TextExample>(examples);
        var chosen = examples[..count];
        var encodings = WordPieceTokenizer.FromFolder(Path.Combine(shared, "models", "minilm-l6")).EncodeAll(chosen, PadTo);
        return [.. chosen.Select((e, i) => new ModelInput(encodings[i], e.Label == 0 ? [1, 0] : [0, 1]))];
    }
}
