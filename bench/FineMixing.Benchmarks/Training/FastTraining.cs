using System.Diagnostics;
using FineMixing.Checkpoints;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>FineMixing's training step by step, without tokenization and saving; on a thread of its own, so that the number of libtorch's threads stays as it is for other cases.</summary>
internal sealed class FastTraining : IDisposable
{
    private readonly TorchWorker _worker = new();
    private readonly IParameterUpdate _update;
    private readonly bool _halves;
    private ShardedBackward _backward = null!;
    private readonly Stopwatch _optimiser = new();
    private int _step;

    /// <param name="config">The model.</param>
    /// <param name="weights">Its weights.</param>
    /// <param name="lowPrecision">Whether matrix products run in bfloat16.</param>
    /// <param name="threads">CPU threads.</param>
    /// <param name="device">The CPU if null.</param>
    /// <param name="shards">As in <see cref="FineTuningOptions.Shards"/>.</param>
    public FastTraining(ModelConfig config, StateDict weights, bool lowPrecision, int threads, Device? device = null, int shards = 0)
    {
        Store = ParameterStore.Load(config, weights, device ?? CPU, lowPrecision, trainable: true);
        _update = Store.Device.type == DeviceType.CPU ? new CpuAdamW(Store, threads) : new TensorAdamW(Store);
        _halves = Store.Device.type == DeviceType.CPU && shards != 1;
        OnWorker(() => _backward = new ShardedBackward(Store, new FineTuningOptions { Shards = shards }, threads));
    }

    public ParameterStore Store { get; }

    /// <summary>One step; returns its loss, for which the host waits.</summary>
    public double Step(ModelInput[] inputs, double learningRate = 1e-5) => _worker.Start(() =>
    {
        using var scope = NewDisposeScope();
        return Run(inputs, learningRate).item<float>();
    }).GetAwaiter().GetResult();

    /// <summary>Some steps, without waiting for a device to end them.</summary>
    public void Steps(ModelInput[] inputs, int count) => OnWorker(() =>
    {
        for (var i = 0; i < count; i++)
        {
            using var scope = NewDisposeScope();
            Run(inputs, 1e-5);
        }
    });

    /// <summary>How long the optimiser's part of the steps since the last call was: gathering rows of the embeddings, gradient norm, update.</summary>
    public TimeSpan TakeOptimiserTime()
    {
        var time = _optimiser.Elapsed;
        _optimiser.Reset();
        return time;
    }

    /// <summary>The optimiser alone, with gradients of zero that somebody else has made.</summary>
    public void Optimise(ModelInput[] inputs)
    {
        using var scope = NewDisposeScope();
        var words = _update.Gather(inputs);
        foreach (var block in Store.Blocks)
        {
            block.Leaf.grad = zeros_like(block.Leaf);
            block.SecondGradient = _halves ? zeros_like(block.Leaf) : null;
        }

        words.Leaf.grad = zeros_like(words.Leaf);
        _update.Step(words, 1e-5, 0.01, 1);
    }

    public void Dispose()
    {
        OnWorker(_backward.Dispose);
        _worker.Dispose();
        _update.Dispose();
        Store.Dispose();
    }

    private Tensor Run(ModelInput[] inputs, double learningRate)
    {
        _optimiser.Start();
        var words = _update.Gather(inputs);
        _optimiser.Stop();
        var loss = _backward.Run(inputs, words, _step++);
        _optimiser.Start();
        _update.Step(words, learningRate, 0.01, 1);
        _optimiser.Stop();
        return loss;
    }

    private void OnWorker(Action action) => _worker.Start(() =>
    {
        action();
        return 0;
    }).GetAwaiter().GetResult();
}
