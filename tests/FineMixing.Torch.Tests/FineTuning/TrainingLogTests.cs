using FineMixing.FineTuning;
using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.FineTuning;

public class TrainingLogTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void Read_AnyGroupSize_ReportsEveryStepOnceInOrder(int stepsPerRead)
    {
        var reports = new Reports();
        using var log = new TrainingLog(totalSteps: 4, epochs: 2, samples: 10, stepsPerRead, reports);
        using var scope = NewDisposeScope();
        foreach (var (epoch, rows, loss) in new[] { (0, 8, 1.0), (0, 2, 2.0), (1, 8, 0.5), (1, 2, 1.5) })
            log.Add(epoch, rows, tensor(loss), tensor(1.0));
        log.Read();
        Assert.Equal([1.2, 0.7], log.EpochLosses.Select(l => Math.Round(l, 9)));
        Assert.Equal([new(1, 4, 1, 1.0, 8), new(2, 4, 1, 2.0, 10), new(3, 4, 2, 0.5, 18), new(4, 4, 2, 1.5, 20)], reports.Seen);
    }

    [Fact]
    public void Read_LossThatIsNotFinite_NamesItsStepAndKeepsNoTensor()
    {
        using var scope = NewDisposeScope();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (var log = new TrainingLog(4, 1, 4, 4, null))
        {
            foreach (var loss in new[] { 1.0, double.NaN, 1.0 })
            {
                using var step = NewDisposeScope();
                log.Add(0, 1, tensor(loss), tensor(1.0));
            }

            Assert.Contains("step 2", Assert.Throws<TrainingDivergedException>(log.Read).Message);
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private sealed class Reports : IProgress<TrainingProgress>
    {
        public List<TrainingProgress> Seen { get; } = [];

        public void Report(TrainingProgress value) => Seen.Add(value);
    }
}
