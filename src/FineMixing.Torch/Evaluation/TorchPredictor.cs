using System.Runtime.InteropServices;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Evaluation;

/// <summary>Classifies texts with TorchSharp: sorted by length, in batches with little padding.</summary>
/// <param name="logger">Told when a requested precision is not available.</param>
public sealed class TorchPredictor(ILogger? logger = null) : IPredictor
{
    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The device does not exist.</exception>
    public IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(examples);
        options ??= new PredictionOptions();
        var device = Hardware.Device(options.Device);
        using var threads = TorchThreads.Use(options.Threads);
        var low = Hardware.UseBFloat16(options.Precision, device, logger);
        var encodings = model.Tokenizer.EncodeAll(examples, Math.Min(options.MaxLength, model.Config.MaxPositions), cancellationToken: cancellationToken);
        using var store = ParameterStore.Load(model.Config, model.Weights, device, low, trainable: false);
        return Logits(store, encodings, options.TokensPerBatch, progress, cancellationToken);
    }

    internal static float[][] Logits(ParameterStore store, IReadOnlyList<Encoding> encodings, int tokensPerBatch, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        using var noGradients = inference_mode();
        var result = new float[encodings.Count][];
        var done = 0;
        foreach (var indices in EvaluationPlan.Batches([.. encodings.Select(e => e.Length)], tokensPerBatch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = new DeviceBatch(Array.ConvertAll(indices, i => new ModelInput(encodings[i], [])), store.Config.PadTokenId, id => id, store.Device, store.LowPrecision);
            var logits = FastBert.Logits(store, batch, store.Words).cpu();
            var values = MemoryMarshal.Cast<byte, float>(logits.contiguous().bytes);
            for (var row = 0; row < indices.Length; row++)
                result[indices[row]] = values.Slice(row * store.Config.LabelCount, store.Config.LabelCount).ToArray();
            done += indices.Length;
            progress?.Report(done);
        }

        return result;
    }
}
