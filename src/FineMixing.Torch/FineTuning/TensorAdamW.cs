using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>AdamW written with tensor operations over the flat buffers: runs on any device, and is the simple version <see cref="CpuAdamW"/> must equal.</summary>
internal sealed class TensorAdamW : IParameterUpdate
{
    private readonly ParameterStore _store;
    private readonly Tensor _first;
    private readonly Tensor _second;
    private readonly Tensor _decays;
    private readonly Tensor _wordFirst;
    private readonly Tensor _wordSecond;
    private readonly Tensor _wordLeaf;
    private readonly Tensor _padding;
    private readonly Tensor _lowPadding;
    private int _step;

    public TensorAdamW(ParameterStore store)
    {
        _store = store;
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        _first = zeros_like(store.Master).DetachFromDisposeScope();
        _second = zeros_like(store.Master).DetachFromDisposeScope();
        _decays = zeros_like(store.Master).DetachFromDisposeScope();
        foreach (var block in store.Blocks.Where(b => b.Decays))
            _decays.narrow(0, block.Offset, block.Length).fill_(1);
        _wordFirst = zeros_like(store.Words).DetachFromDisposeScope();
        _wordSecond = zeros_like(store.Words).DetachFromDisposeScope();
        _padding = zeros(64, dtype: float32, device: store.Device).DetachFromDisposeScope();
        _lowPadding = _padding.to(bfloat16).DetachFromDisposeScope();
        _wordLeaf = store.Words.detach().requires_grad_(true).DetachFromDisposeScope();
    }

    public WordRows Gather(IReadOnlyList<ModelInput> inputs) => new([], _wordLeaf, id => id);

    public Tensor Step(WordRows words, double learningRate, double weightDecay, double clip)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var gradient = Joined();
        var wordGradient = _wordLeaf.grad!;
        wordGradient.select(0, _store.Config.PadTokenId).zero_();
        var norm = (gradient.square().sum() + wordGradient.square().sum()).to(float64).sqrt();
        if (clip > 0)
        {
            // The scale stays on the device: reading the norm here would make the host wait for it.
            var scale = (clip / (norm + 1e-6)).clamp_max(1).to(float32);
            gradient.mul_(scale);
            wordGradient.mul_(scale);
        }

        var step = AdamWStep.At(++_step, learningRate, weightDecay, gradientScale: 1);
        Update(_store.Master, _first, _second, gradient, 1 - (_decays * (1 - step.Decay)), step);
        Update(_store.Words, _wordFirst, _wordSecond, wordGradient, step.Decay, step);
        _store.RefreshLow();
        foreach (var block in _store.Blocks)
            block.Leaf.grad = null;
        _wordLeaf.grad = null;
        return norm.MoveToOuterDisposeScope();
    }

    public void Transfer(IStateTransfer transfer)
    {
        _step = transfer.Value("update.steps", _step);
        transfer.Tensor("update.first", _first);
        transfer.Tensor("update.second", _second);
        transfer.Tensor("rows.first", _wordFirst);
        transfer.Tensor("rows.second", _wordSecond);
    }

    public void Finish()
    {
        // Every row takes part in every step: nothing is left to do.
    }

    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[_first, _second, _decays, _wordFirst, _wordSecond, _wordLeaf, _padding, _lowPadding])
            tensor.Dispose();
    }

    // All gradients in the layout of the flat buffer. Blocks of one precision that follow each other are joined at once: on a GPU every operation costs the same, however small.
    private Tensor Joined()
    {
        var runs = new List<Tensor>();
        var run = new List<Tensor>();
        void End()
        {
            if (run.Count > 0)
                runs.Add(cat(run).to(float32));
            run.Clear();
        }

        foreach (var block in _store.Blocks.OrderBy(b => b.Offset))
        {
            var own = block.Leaf.grad?.reshape(-1) ?? zeros(block.Length, dtype: block.Leaf.dtype, device: _store.Device);
            if (run.Count > 0 && run[0].dtype != own.dtype)
                End();
            run.Add(own);
            if (block.Room > block.Length)
                run.Add((own.dtype == ScalarType.Float32 ? _padding : _lowPadding).narrow(0, 0, block.Room - block.Length));
        }

        End();
        return cat(runs);
    }

    private static void Update(Tensor weight, Tensor first, Tensor second, Tensor gradient, Tensor decay, AdamWStep step)
    {
        first.mul_(AdamWStep.Beta1).add_(gradient * (1 - AdamWStep.Beta1));
        second.mul_(AdamWStep.Beta2).add_(gradient * gradient * (float)(1 - 0.999));
        weight.mul_(decay).sub_(first * step.Rate / ((second.sqrt() * (1 / step.SecondCorrection)) + AdamWStep.Epsilon));
    }
}
