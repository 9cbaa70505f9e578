using System.Runtime.InteropServices;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using FineMixing.Torch.Native;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Evaluation;

/// <summary>Classifies texts with TorchSharp: on a CPU in batches without any padding, on a GPU sorted by length in batches with little.</summary>
/// <param name="logger">Told when a requested precision is not available.</param>
public sealed class TorchPredictor(ILogger? logger = null) : IPredictor
{
    /// <inheritdoc/>
    public IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(examples);
        options ??= new PredictionOptions();
        options.Validate();
        var device = Hardware.Device(options.Device);
        var low = Hardware.UseBFloat16(options.Precision, device, logger);
        var encodings = model.Tokenizer.EncodeAll(examples, Math.Min(options.MaxLength, model.Config.MaxPositions), cancellationToken: cancellationToken);
        SegmentCheck.ThrowIfMissing(model.Config, encodings);
        using var release = new ReleasedMemory();
        using var store = ParameterStore.Load(model.Config, model.Weights, device, low, trainable: false);
        return Logits(store, encodings, options.TokensPerBatch, options.Threads, progress, cancellationToken: cancellationToken);
    }

    // On a CPU batches are independent: each runs on one thread, several at a time, which is faster than sharing one among all threads and gives the same bits for any number of them.
    // A GPU gets some batches, one behind the other, before the host waits for their results.
    internal static float[][] Logits(ParameterStore store, IReadOnlyList<Encoding> encodings, int tokensPerBatch, int threads = 0, IProgress<int>? progress = null, BatchingSpeed? speed = null, CancellationToken cancellationToken = default)
    {
        speed ??= BatchingSpeed.Of(store);
        int[] lengths = [.. encodings.Select(e => e.Length)];
        var most = tokensPerBatch == 0 ? speed.TokensPerBatch : tokensPerBatch;
        var onCpu = store.Device.type == DeviceType.CPU;
        var batches = onCpu ? EvaluationPlan.EndToEnd(lengths, most) : EvaluationPlan.Padded(lengths, most, speed.BatchCost);
        var workers = !onCpu ? 1 : threads == 0 ? Environment.ProcessorCount : threads;
        var result = new float[encodings.Count][];
        var done = 0;
        SideBySide.Run(
            [.. batches.Chunk(speed.BatchesPerRead)],
            workers,
            group =>
            {
                Predict(store, encodings, group, result);
                progress?.Report(Interlocked.Add(ref done, group.Sum(b => b.Length)));
                return group.Length;
            },
            cancellationToken);
        return result;
    }

    private static void Predict(ParameterStore store, IReadOnlyList<Encoding> encodings, int[][] batches, float[][] result)
    {
        using var threads = TorchThreads.Use(1);
        using var noGradients = inference_mode();
        using var scope = NewDisposeScope();
        var logits = cat([.. batches.Select(batch => Forward(store, encodings, batch))]).cpu();
        var values = MemoryMarshal.Cast<byte, float>(logits.contiguous().bytes);
        var row = 0;
        foreach (var index in batches.SelectMany(b => b))
            result[index] = values.Slice(row++ * store.Config.LabelCount, store.Config.LabelCount).ToArray();
    }

    private static Tensor Forward(ParameterStore store, IReadOnlyList<Encoding> encodings, int[] indices)
    {
        using var scope = NewDisposeScope();
        if (store.Device.type == DeviceType.CPU)
            return PackedBert.Logits(store, Array.ConvertAll(indices, i => encodings[i])).MoveToOuterDisposeScope();
        var batch = new DeviceBatch(Array.ConvertAll(indices, i => new ModelInput(encodings[i], [])), store.Config.PadTokenId, id => id, store.Device, store.LowPrecision);
        return FastBert.Logits(store, batch, store.Words).MoveToOuterDisposeScope();
    }
}
