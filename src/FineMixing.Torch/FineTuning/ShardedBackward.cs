using FineMixing.FineTuning;
using FineMixing.Randomness;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>The gradients of a batch, its two halves at the same time: on few cores two products side by side beat one that all threads share.</summary>
/// <remarks>Both halves read the same weights and collect gradients of their own, which the optimiser adds while it reads them. A sum of two does not depend on which came first, so neither does the result.</remarks>
internal sealed class ShardedBackward : IDisposable
{
    private readonly ParameterStore _store;
    private readonly ParameterStore? _twin;
    private readonly DropoutSource _dropout;
    private readonly DropoutSource _twinDropout;
    private readonly TorchThreads _threads;
    private readonly int _threadsPerShard;
    private readonly int _tokensPerPass;
    private readonly bool _checkpointing;
    private readonly TorchWorker? _worker;

    /// <summary>Prepares for one training run; dispose on the thread that made it.</summary>
    /// <param name="store">The weights; their leaves receive the sums.</param>
    /// <param name="options">Shards, dropout, seed, memory bound.</param>
    /// <param name="threads">CPU threads in all.</param>
    public ShardedBackward(ParameterStore store, FineTuningOptions options, int threads)
    {
        var shards = store.Device.type != DeviceType.CPU ? 1 : options.Shards == 0 ? 2 : options.Shards;
        _store = store;
        _dropout = new DropoutSource(options.Seed, options.Dropout);
        _twinDropout = new DropoutSource(DeterministicRandom.Key(options.Seed, "second shard"), options.Dropout);
        // Both halves are in memory at the same time.
        (_tokensPerPass, _checkpointing) = (options.TokensPerPass / shards, options.ActivationCheckpointing);
        _threadsPerShard = Math.Max(1, threads / shards);
        _threads = TorchThreads.Use(_threadsPerShard);
        _twin = shards == 2 ? store.Share() : null;
        _worker = shards == 2 && threads > 1 ? new TorchWorker() : null;
    }

    /// <summary>Leaves the gradients of a batch in the store (<see cref="ParameterBlock.SecondGradient"/> included) and in <paramref name="words"/>; returns the mean cross-entropy, a number on the device.</summary>
    public Tensor Run(ModelInput[] inputs, WordRows words, int step)
    {
        if (_twin is null || inputs.Length < 2)
            return TrainingLoop.Backward(_store, inputs, words, _dropout, step, _tokensPerPass, _checkpointing);

        // Rows of a batch come sorted by length: every other one goes to each half, so that both need the same padding.
        var (even, odd) = (inputs.Where((_, i) => i % 2 == 0).ToArray(), inputs.Where((_, i) => i % 2 == 1).ToArray());
        var twinWords = words with { Leaf = words.Leaf.detach().requires_grad_(true) };
        double Second()
        {
            using var threads = TorchThreads.Use(_threadsPerShard);
            using var loss = TrainingLoop.Backward(_twin, odd, twinWords, _twinDropout, step, _tokensPerPass, _checkpointing, inputs.Length);
            return loss.item<float>();
        }

        var second = _worker?.Start(Second);
        Tensor loss;
        try
        {
            loss = TrainingLoop.Backward(_store, even, words, _dropout, step, _tokensPerPass, _checkpointing, inputs.Length);
        }
        catch
        {
            // The other half uses memory of this batch: it must have ended before anything else happens.
            second?.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
            throw;
        }

        loss.add_(second is null ? Second() : second.GetAwaiter().GetResult());
        using (no_grad())
            words.Leaf.grad!.add_(twinWords.Leaf.grad!);
        for (var i = 0; i < _twin.Blocks.Count; i++)
        {
            _store.Blocks[i].SecondGradient = _twin.Blocks[i].Leaf.grad;
            _twin.Blocks[i].Leaf.grad = null;
        }

        return loss;
    }

    public void Dispose()
    {
        _worker?.Dispose();
        _twin?.Dispose();
        _threads.Dispose();
    }
}
