using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Torch.Tests.Evaluation;

public class TorchPredictorTests
{
    [Fact]
    public void Logits_AnyNumberOfThreads_SameBitsInInputOrder()
    {
        using var tiny = new TinyModel();
        var examples = TinyModel.Examples(101, 4);
        float[][] With(int threads) => [.. new TorchPredictor().Logits(tiny.Start, examples, new PredictionOptions { Precision = Precision.Float32, Threads = threads, TokensPerBatch = 64 })];
        var one = With(1);
        Assert.Equal(one, With(2));
        Assert.Equal(one, With(5));
        var alone = new TorchPredictor().Logits(tiny.Start, [examples[17]], new PredictionOptions { Precision = Precision.Float32 })[0];
        Assert.All(alone.Zip(one[17]), p => Assert.InRange(p.First - p.Second, -1e-5f, 1e-5f));
    }

    [Fact]
    public void Logits_Progress_CountsEveryText()
    {
        using var tiny = new TinyModel();
        var seen = new List<int>();
        new TorchPredictor().Logits(tiny.Start, TinyModel.Examples(50, 4), new PredictionOptions { Threads = 1, TokensPerBatch = 64 }, new Reports(seen));
        Assert.True(seen.Count > 1);
        Assert.Equal(50, seen[^1]);
        Assert.Equal(seen.Order(), seen);
    }

    [Fact]
    public void Logits_OptionsOutOfRange_ListsAll()
    {
        using var tiny = new TinyModel();
        var error = Assert.Throws<ArgumentException>(() => new TorchPredictor().Logits(tiny.Start, TinyModel.Examples(2, 4), new PredictionOptions { Threads = -1, TokensPerBatch = -5, MaxLength = 2 }));
        Assert.Equal("MaxLength is 2; expected at least 8; TokensPerBatch is -5; expected 0 (automatic) or more; Threads is -1; expected 0 (all) to 1024.", error.Message);
    }

    [Fact]
    public void Logits_Cancelled_Throws()
    {
        using var tiny = new TinyModel();
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => new TorchPredictor().Logits(tiny.Start, TinyModel.Examples(50, 4), null, null, source.Token));
    }

    private sealed class Reports(List<int> seen) : IProgress<int>
    {
        public void Report(int value) => seen.Add(value);
    }
}
