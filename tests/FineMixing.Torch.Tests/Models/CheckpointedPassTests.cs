using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Models;

public class CheckpointedPassTests
{
    [Theory]
    [InlineData(0.0)]
    [InlineData(0.1)]
    public void Backward_SameNoise_EqualsThePlainPass(double dropout)
    {
        using var tiny = new TinyModel();
        using var threads = TorchThreads.Use(1);
        var inputs = TorchFineTuner.Inputs(tiny.Start, TinyModel.Examples(12, 1), new());
        var (plain, checkpointed) = (Gradients(tiny, inputs, dropout, checkpointing: false), Gradients(tiny, inputs, dropout, checkpointing: true));
        Assert.Equal(plain.Loss, checkpointed.Loss);
        Assert.Equal(plain.Values.Count, checkpointed.Values.Count);
        Assert.All(plain.Values.Zip(checkpointed.Values), pair => Assert.Equal(pair.First, pair.Second));
        Assert.All(plain.Values, g => Assert.Contains(g, v => v != 0));
        if (dropout > 0)
            Assert.NotEqual(Gradients(tiny, inputs, 0, checkpointing: false).Loss, plain.Loss);
    }

    private static (float Loss, List<float[]> Values) Gradients(TinyModel tiny, ModelInput[] inputs, double dropout, bool checkpointing)
    {
        using var scope = NewDisposeScope();
        using var store = ParameterStore.Load(tiny.Start.Config, tiny.Start.Weights, CPU, lowPrecision: false, trainable: true);
        using var update = new CpuAdamW(store, threads: 1);
        var noise = new DropoutSource(7, dropout);
        var words = update.Gather(inputs);
        var loss = TrainingLoop.Backward(store, inputs, words, noise, step: 3, tokensPerPass: 60, checkpointing).item<float>();
        return (loss, [words.Leaf.grad!.data<float>().ToArray(), .. store.Blocks.Select(b => b.Leaf.grad!.contiguous().data<float>().ToArray())]);
    }
}
