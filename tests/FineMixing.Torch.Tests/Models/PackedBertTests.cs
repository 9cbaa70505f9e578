using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Models;

public class PackedBertTests
{
    [Theory]
    [InlineData(false, 2e-6)]
    [InlineData(true, 0.02)]
    public void Logits_TextsEndToEnd_EqualThoseOfPaddedBatches(bool low, double tolerance)
    {
        using var tiny = new TinyModel();
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        using var store = ParameterStore.Load(tiny.Start.Config, tiny.Start.Weights, CPU, low, trainable: false);
        var inputs = TorchFineTuner.Inputs(tiny.Start, TinyModel.Examples(9, 1), new());
        Assert.True(inputs.Select(i => i.Encoding.Length).Distinct().Count() > 1);
        var padded = FastBert.Logits(store, new DeviceBatch(inputs, store.Config.PadTokenId, id => id, CPU, low), store.Words);
        var endToEnd = PackedBert.Logits(store, Array.ConvertAll(inputs, i => i.Encoding));
        Assert.Equal(padded.shape, endToEnd.shape);
        Assert.Equal(ScalarType.Float32, endToEnd.dtype);
        Assert.InRange((padded - endToEnd).abs().max().item<float>(), 0, tolerance);
    }
}
