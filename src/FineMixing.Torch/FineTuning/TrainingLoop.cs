using FineMixing.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Fits a <see cref="ParameterStore"/> to inputs: shuffle, forward, backward, step.</summary>
internal static class TrainingLoop
{
    /// <summary>Trains in place.</summary>
    /// <param name="store">The weights.</param>
    /// <param name="data">Inputs with targets.</param>
    /// <param name="options">Validated options.</param>
    /// <param name="afterStep">Called when the weights have moved, for example to keep pruned ones at zero.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <returns>The mean loss of each epoch.</returns>
    /// <exception cref="TrainingDivergedException">A gradient is not finite.</exception>
    public static double[] Run(ParameterStore store, IReadOnlyList<ModelInput> data, FineTuningOptions options, Action? afterStep, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        using var threads = TorchThreads.Use(options.Threads);
        using var update = store.Device.type == DeviceType.CPU ? (IParameterUpdate)new CpuAdamW(store, threads.Count) : new TensorAdamW(store);
        using var backward = new ShardedBackward(store, options, threads.Count);
        var lengths = data.Select(d => d.Encoding.Length).ToArray();
        var stepsPerEpoch = (data.Count + options.BatchSize - 1) / options.BatchSize;
        var total = stepsPerEpoch * options.Epochs;
        var losses = new double[options.Epochs];
        var (step, seen) = (0, 0L);
        for (var epoch = 0; epoch < options.Epochs; epoch++)
        {
            foreach (var indices in BatchPlan.Epoch(lengths, options.BatchSize, options.Seed, epoch))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var batchScope = NewDisposeScope();
                var inputs = Array.ConvertAll(indices, i => data[i]);
                var words = update.Gather(inputs);
                var loss = backward.Run(inputs, words, step);
                var norm = update.Step(words, LinearSchedule.At(step, total, options.WarmUp, options.LearningRate), options.WeightDecay, options.GradientClip);
                if (!double.IsFinite(norm) || !double.IsFinite(loss))
                    throw new TrainingDivergedException(step + 1, loss, norm);
                afterStep?.Invoke();
                step++;
                seen += inputs.Length;
                losses[epoch] += loss * inputs.Length / data.Count;
                progress?.Report(new TrainingProgress(step, total, epoch + 1, loss, seen));
            }
        }

        update.Finish();
        return losses;
    }

    // Adds up the gradients of a batch (or of some rows of a larger one), in parts that fit the memory bound; returns their share of the mean cross-entropy.
    internal static double Backward(ParameterStore store, ModelInput[] inputs, WordRows words, DropoutSource? dropout, int step, int tokensPerPass, int? batchSize = null)
    {
        var rowsPerPass = Math.Max(1, tokensPerPass / inputs.Max(i => i.Encoding.Length));
        var (sum, part) = (0.0, 0);
        foreach (var rows in inputs.Chunk(rowsPerPass))
        {
            using var passScope = NewDisposeScope();
            dropout?.Begin(step, part++);
            var batch = new DeviceBatch(rows, store.Config.PadTokenId, words.RowOf, store.Device, store.LowPrecision);
            var logits = FastBert.Logits(store, batch, words.Leaf, dropout);
            var loss = -(batch.Targets! * logits.log_softmax(-1)).sum() / (batchSize ?? inputs.Length);
            loss.backward();
            sum += loss.item<float>();
        }

        return sum;
    }
}
