using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Models;

public class FastBertTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Logits_OfALayer_OnlyItsOutputOutlivesIt(bool trainable)
    {
        using var tiny = new TinyModel();
        using var scope = NewDisposeScope();
        using var store = ParameterStore.Load(tiny.Start.Config, tiny.Start.Weights, CPU, lowPrecision: false, trainable);
        var batch = new DeviceBatch(TorchFineTuner.Inputs(tiny.Start, TinyModel.Examples(4, 1), new()), store.Config.PadTokenId, id => id, CPU, lowPrecision: false);
        long Alive(int layers)
        {
            using var inner = NewDisposeScope();
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            var x = FastBert.Embed(store, batch, store.Words, null);
            FastBert.Classify(store, x, null);
            var without = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            if (layers == 0)
                return without - before;
            FastBert.Logits(store, batch, store.Words);
            return DisposeScopeManager.Statistics.ThreadTotalLiveCount - without;
        }

        Assert.True(store.Layers.Length > 1);
        Assert.Equal(Alive(0) + store.Layers.Length, Alive(store.Layers.Length));
    }
}
