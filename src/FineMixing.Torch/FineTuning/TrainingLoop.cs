using System.Globalization;
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
    /// <param name="snapshot">Where the state of an earlier, stopped run may be, and this one's goes; or null.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <returns>The mean loss of each epoch.</returns>
    /// <exception cref="TrainingDivergedException">A gradient is not finite.</exception>
    public static double[] Run(ParameterStore store, IReadOnlyList<ModelInput> data, FineTuningOptions options, Action? afterStep, RunSnapshot? snapshot, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        using var threads = TorchThreads.Use(options.Threads);
        using var update = store.Device.type == DeviceType.CPU ? (IParameterUpdate)new CpuAdamW(store, threads.Count) : new TensorAdamW(store);
        using var backward = new ShardedBackward(store, options, threads.Count);
        var lengths = data.Select(d => d.Encoding.Length).ToArray();
        var total = TotalSteps(data.Count, options);
        using var log = new TrainingLog(total, options.Epochs, data.Count, TrainingLog.StepsPerRead(store.Device), progress);
        var done = 0;
        void State(IStateTransfer transfer)
        {
            done = transfer.Value("steps", done);
            store.Transfer(transfer);
            update.Transfer(transfer);
            log.Transfer(transfer);
        }

        if (snapshot?.TryRestore(State) == true)
            snapshot.SayWhere(done, total);
        var step = 0;
        for (var epoch = 0; epoch < options.Epochs; epoch++)
        {
            foreach (var indices in BatchPlan.Epoch(lengths, options.BatchSize, options.Seed, epoch))
            {
                if (step++ < done)
                    continue;
                if (cancellationToken.IsCancellationRequested)
                    snapshot?.Stop(State);
                cancellationToken.ThrowIfCancellationRequested();
                using var batchScope = NewDisposeScope();
                var inputs = Array.ConvertAll(indices, i => data[i]);
                var words = update.Gather(inputs);
                var loss = backward.Run(inputs, words, done);
                var norm = update.Step(words, LinearSchedule.At(done, total, options.WarmUp, options.LearningRate), options.WeightDecay, options.GradientClip);
                afterStep?.Invoke();
                log.Add(epoch, inputs.Length, loss, norm);
                done++;
                snapshot?.SaveIfDue(State);
            }
        }

        log.Read();
        update.Finish();
        snapshot?.Finish(State);
        return log.EpochLosses;
    }

    /// <summary>The number of steps.</summary>
    /// <exception cref="ArgumentException">More than can be counted.</exception>
    internal static int TotalSteps(int samples, FineTuningOptions options)
    {
        var batches = (samples + (long)options.BatchSize - 1) / options.BatchSize;
        return batches * options.Epochs <= int.MaxValue
            ? (int)(batches * options.Epochs)
            : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Epochs is {options.Epochs}, each of {batches} steps; expected at most {int.MaxValue} steps in all."), nameof(options));
    }

    // Adds up the gradients of a batch (or of some rows of a larger one), in parts that fit the memory bound; returns their share of the mean cross-entropy, a number on the device.
    internal static Tensor Backward(ParameterStore store, ModelInput[] inputs, WordRows words, DropoutSource? dropout, int step, int tokensPerPass, bool checkpointing = false, int? batchSize = null)
    {
        var rowsPerPass = Math.Max(1, tokensPerPass / inputs.Max(i => i.Encoding.Length));
        var sum = zeros(1, dtype: float32, device: store.Device);
        var part = 0;
        foreach (var rows in inputs.Chunk(rowsPerPass))
        {
            using var passScope = NewDisposeScope();
            dropout?.Begin(step, part++);
            var batch = new DeviceBatch(rows, store.Config.PadTokenId, words.RowOf, store.Device, store.LowPrecision);
            Tensor Loss(Tensor logits) => -(batch.Targets! * logits.log_softmax(-1)).sum() / (batchSize ?? inputs.Length);
            if (checkpointing)
            {
                sum.add_(CheckpointedPass.Backward(store, batch, words.Leaf, dropout, Loss));
                continue;
            }

            var loss = Loss(FastBert.Logits(store, batch, words.Leaf, dropout));
            loss.backward();
            sum.add_(loss.detach());
        }

        return sum;
    }
}
