using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>The naive training loop: <see cref="NaiveBert"/>, every batch padded to one length, stock AdamW.</summary>
internal sealed class NaiveTraining : IDisposable
{
    private readonly optim.Optimizer _optimizer;
    private readonly Device _device;

    public NaiveTraining(ModelConfig config, double learningRate = 1e-5, Device? device = null)
    {
        _device = device ?? CPU;
        Model = new NaiveBert(config);
        Model.to(_device);
        Model.train();

        // Biases and layer norms do not decay, as everywhere BERT is fine-tuned.
        var (matrices, others) = (Model.parameters().Where(p => p.dim() > 1), Model.parameters().Where(p => p.dim() == 1));
        _optimizer = optim.AdamW([new AdamW.ParamGroup(matrices, learningRate, weight_decay: 0.01), new AdamW.ParamGroup(others, learningRate, weight_decay: 0)], learningRate);
    }

    public NaiveBert Model { get; }

    /// <summary>One step; returns its loss.</summary>
    public double Step(IReadOnlyList<ModelInput> inputs, int padTo)
    {
        using var scope = NewDisposeScope();
        var (ids, mask, labels) = NaiveBatch.Of(inputs, padTo, _device);
        _optimizer.zero_grad();
        var loss = nn.functional.cross_entropy(Model.forward(ids, mask), labels);
        loss.backward();
        _ = nn.utils.clip_grad_norm_(Model.parameters(), 1.0);
        _optimizer.step();
        return loss.item<float>();
    }

    /// <summary>Gradients that somebody else has made, for <see cref="Optimise"/>.</summary>
    public void PrepareGradients()
    {
        foreach (var parameter in Model.parameters())
        {
            using var gradient = randn_like(parameter).mul_(1e-3f);
            parameter.grad = gradient;
        }
    }

    /// <summary>The optimiser alone.</summary>
    public void Optimise()
    {
        _ = nn.utils.clip_grad_norm_(Model.parameters(), 1.0);
        _optimizer.step();
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        Model.Dispose();
    }
}
