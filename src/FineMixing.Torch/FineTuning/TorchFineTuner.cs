using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Tokenization;
using FineMixing.Torch.Models;
using FineMixing.Torch.Native;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Fine-tunes BERT classifiers with TorchSharp on CPU or GPU.</summary>
/// <param name="logger">Told when a requested precision is not available.</param>
public sealed class TorchFineTuner(ILogger? logger = null) : IFineTuner, IActivationProbe
{
    /// <summary>Lets a training run that was stopped go on where it was; null (the default) starts every run anew.</summary>
    public TrainingSnapshots? Snapshots { get; init; }

    /// <inheritdoc/>
    /// <exception cref="TrainingDivergedException">A gradient or loss is not finite.</exception>
    public FineTuningResult FineTune(ClassifierModel start, CleanSet clean, FineTuningOptions options, PrunedUnits? pruned = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(clean);
        CheckLabels(start, clean.NumLabels);
        return Train(start, Inputs(start, clean.Examples, options), options, pruned, progress, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="TrainingDivergedException">A gradient or loss is not finite.</exception>
    public FineTuningResult Distill(ClassifierModel start, CleanSet clean, IReadOnlyList<SoftLabel> labelled, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(labelled);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        CheckLabels(start, clean.NumLabels);
        if (labelled.FirstOrDefault(l => l.Probabilities.Length != start.Config.LabelCount) is { } odd)
            throw new ArgumentException($"A soft label has {odd.Probabilities.Length} probabilities, but the model has {start.Config.LabelCount} classes.", nameof(labelled));
        var encodings = start.Tokenizer.EncodeAll([.. labelled.Select(l => new TextExample(l.Text, l.TextPair, 0))], Length(start, options), cancellationToken: cancellationToken);
        SegmentCheck.ThrowIfMissing(start.Config, encodings);
        var data = Inputs(start, clean.Examples, options).Concat(labelled.Select((l, i) => new ModelInput(encodings[i], [.. l.Probabilities]))).ToArray();
        return Train(start, data, options, null, progress, cancellationToken);
    }

    /// <inheritdoc/>
    public IReadOnlyList<double[]> MeanAbsoluteActivations(ClassifierModel model, CleanSet clean, FineTuningOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        using var threads = TorchThreads.Use(options.Threads);
        using var release = new ReleasedMemory();
        using var store = ParameterStore.Load(model.Config, model.Weights, Hardware.Device(options.Device), lowPrecision: false, trainable: false);
        using var noGradients = inference_mode();
        var sums = Enumerable.Range(0, model.Config.Layers).Select(_ => new double[model.Config.IntermediateSize]).ToArray();
        long tokens = 0;
        foreach (var input in Inputs(model, clean.Examples, options))
        {
            // One text at a time: no padding, so every token counts once.
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var trace = new ForwardTrace();
            FastBert.Logits(store, new DeviceBatch([input], model.Config.PadTokenId, id => id, store.Device, lowPrecision: false), store.Words, trace: trace);
            tokens += input.Encoding.Length;
            for (var layer = 0; layer < sums.Length; layer++)
            {
                var active = trace.Intermediates[layer].abs().sum([0, 1]).to(float64).cpu().data<double>().ToArray();
                for (var unit = 0; unit < active.Length; unit++)
                    sums[layer][unit] += active[unit];
            }
        }

        return [.. sums.Select(layer => Array.ConvertAll(layer, v => v / tokens))];
    }

    /// <summary>Fits a classifier to labelled examples of any origin; what defences and attacks share.</summary>
    internal FineTuningResult Train(ClassifierModel start, IReadOnlyList<ModelInput> data, FineTuningOptions options, PrunedUnits? pruned, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var device = Hardware.Device(options.Device);
        var lowPrecision = Hardware.UseBFloat16(options.Precision, device, logger);
        using var release = new ReleasedMemory();

        // The caller may be inside no_grad() or inference_mode().
        using var gradients = inference_mode(false);
        using var store = ParameterStore.Load(start.Config, start.Weights, device, lowPrecision, trainable: true);
        var snapshot = Snapshots?.For(TrainingKey.Of(start.Config, start.Weights, data, options, lowPrecision, pruned), logger);
        using var mask = pruned is null ? null : new UnitMask(store, pruned);

        // From the first step on.
        mask?.Apply();
        var losses = TrainingLoop.Run(store, data, options, mask is null ? null : mask.Apply, snapshot, progress, cancellationToken);
        return new FineTuningResult(start with { Weights = store.Save(start.Weights.Location) }, [.. losses]);
    }

    internal static ModelInput[] Inputs(ClassifierModel model, IReadOnlyList<TextExample> examples, FineTuningOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var encodings = model.Tokenizer.EncodeAll(examples, Length(model, options));
        SegmentCheck.ThrowIfMissing(model.Config, encodings);
        return [.. examples.Select((e, i) =>
        {
            var target = new float[model.Config.LabelCount];
            target[e.Label] = 1;
            return new ModelInput(encodings[i], target);
        })];
    }

    internal static void CheckLabels(ClassifierModel model, int labels)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (labels > model.Config.LabelCount)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The data has {labels} classes, but the model has {model.Config.LabelCount}."));
    }

    private static int Length(ClassifierModel model, FineTuningOptions options) => Math.Min(options.MaxLength, model.Config.MaxPositions);
}
