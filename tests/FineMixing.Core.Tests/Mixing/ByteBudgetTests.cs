using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

public class ByteBudgetTests
{
    [Fact]
    public void Use_ManyThreads_StaysWithinTheBound()
    {
        var budget = new ByteBudget(100);
        long now = 0, most = 0, done = 0;
        void Work(long share) => budget.Use(share, () =>
        {
            var held = Interlocked.Add(ref now, share);
            InterlockedMax(ref most, held);
            Thread.SpinWait(2000);
            Interlocked.Add(ref now, -share);
            Interlocked.Increment(ref done);
        });
        var threads = Enumerable.Range(0, 4).Select(t => new Thread(() =>
        {
            for (var i = 0; i < 200; i++)
                Work(1 + ((i * 37) + (t * 11)) % 100);
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Assert.Equal(800, done);
        Assert.InRange(most, 1, 100);
    }

    [Fact]
    public void Use_WorkFails_GivesItsShareBack()
    {
        var budget = new ByteBudget(10);
        Assert.Throws<InvalidOperationException>(() => budget.Use(10, () => throw new InvalidOperationException()));
        var reached = false;
        budget.Use(10, () => reached = true);
        Assert.True(reached);
        Assert.Throws<ArgumentOutOfRangeException>(() => budget.Use(11, () => { }));
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (var seen = Volatile.Read(ref target); seen < value; seen = Volatile.Read(ref target))
            Interlocked.CompareExchange(ref target, value, seen);
    }
}
