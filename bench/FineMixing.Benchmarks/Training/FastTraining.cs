using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>FineMixing's training step by step, without tokenization and saving.</summary>
internal sealed class FastTraining : IDisposable
{
    private readonly CpuAdamW _update;
    private readonly DropoutSource _dropout = new(1, null);
    private int _step;

    public FastTraining(ModelConfig config, StateDict weights, bool lowPrecision, int threads)
    {
        Store = ParameterStore.Load(config, weights, CPU, lowPrecision, trainable: true);
        _update = new CpuAdamW(Store, threads);
    }

    public ParameterStore Store { get; }

    /// <summary>One step; returns its loss.</summary>
    public double Step(ModelInput[] inputs, double learningRate = 1e-5, bool checkpointing = false)
    {
        using var scope = NewDisposeScope();
        var words = _update.Gather(inputs);
        var loss = TrainingLoop.Backward(Store, inputs, words, _dropout, _step++, int.MaxValue, checkpointing).item<float>();
        _update.Step(words, learningRate, 0.01, 1);
        return loss;
    }

    /// <summary>The optimiser alone, with gradients of zero that somebody else has made.</summary>
    public void Optimise(ModelInput[] inputs)
    {
        using var scope = NewDisposeScope();
        var words = _update.Gather(inputs);
        foreach (var block in Store.Blocks)
            block.Leaf.grad = zeros_like(block.Leaf);
        words.Leaf.grad = zeros_like(words.Leaf);
        _update.Step(words, 1e-5, 0.01, 1);
    }

    public void Dispose()
    {
        _update.Dispose();
        Store.Dispose();
    }
}
