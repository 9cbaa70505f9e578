using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>The naive training loop: <see cref="NaiveBert"/>, every batch padded to one length, stock AdamW.</summary>
internal sealed class NaiveTraining : IDisposable
{
    private readonly optim.Optimizer _optimizer;

    public NaiveTraining(ModelConfig config, double learningRate = 1e-5)
    {
        Model = new NaiveBert(config);
        Model.train();
        _optimizer = optim.AdamW(Model.parameters(), learningRate, weight_decay: 0.01);
    }

    public NaiveBert Model { get; }

    /// <summary>One step; returns its loss.</summary>
    public double Step(IReadOnlyList<ModelInput> inputs, int padTo)
    {
        using var scope = NewDisposeScope();
        var (ids, mask, labels) = NaiveBatch.Of(inputs, padTo);
        _optimizer.zero_grad();
        var loss = nn.functional.cross_entropy(Model.forward(ids, mask), labels);
        loss.backward();
        _ = nn.utils.clip_grad_norm_(Model.parameters(), 1.0);
        _optimizer.step();
        return loss.item<float>();
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        Model.Dispose();
    }
}
