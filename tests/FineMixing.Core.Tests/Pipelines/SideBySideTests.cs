using FineMixing.Pipelines;

namespace FineMixing.Tests.Pipelines;

public class SideBySideTests
{
    [Theory]
    [InlineData(2, 27, 2, 1)]
    [InlineData(8, 3, 3, 2)]
    [InlineData(8, 1, 1, 8)]
    [InlineData(1, 5, 1, 1)]
    [InlineData(4, 0, 1, 4)]
    public void Split_ThreadsAndJobs_RunsAsManyJobsAtOnceAsThereAreThreads(int threads, int jobs, int workers, int threadsPerJob) =>
        Assert.Equal((workers, threadsPerJob), SideBySide.Split(threads, jobs));

    [Fact]
    public void Run_SeveralWorkers_KeepsTheOrderOfTheJobs() =>
        Assert.Equal([1, 4, 9, 16, 25], SideBySide.Run([1, 2, 3, 4, 5], 3, n => n * n));

    [Fact]
    public void Run_JobFails_ThrowsTheFirstFailure()
    {
        var error = Assert.Throws<InvalidOperationException>(() => SideBySide.Run([1, 2, 3], 1, n => n == 2 ? throw new InvalidOperationException("job 2") : n));
        Assert.Equal("job 2", error.Message);
    }
}
