using FineMixing.Randomness;
using FsCheck;
using FsCheck.Fluent;

namespace FineMixing.Tests.Randomness;

public sealed class DeterministicRandomTests
{
    [Fact]
    public void NextUInt64_KnownState_GivesPublishedNumbers()
    {
        var random = new DeterministicRandom(1, 2, 3, 4);
        Assert.Equal([11520UL, 0UL, 1509978240UL, 1215971899390074240UL], Enumerable.Range(0, 4).Select(_ => random.NextUInt64()));
    }

    [Fact]
    public void SplitMix64_KnownSeed_GivesPublishedNumbers()
    {
        var state = 1234567UL;
        Assert.Equal([6457827717110365317UL, 3203168211198807973UL, 9817491932198370423UL], Enumerable.Range(0, 3).Select(_ => DeterministicRandom.SplitMix64(ref state)));
    }

    [Fact]
    public void For_AnotherPurposeOrIndex_GivesOtherNumbers()
    {
        var first = DeterministicRandom.For(7, "mask").NextUInt64();
        Assert.Equal(first, DeterministicRandom.For(7, "mask").NextUInt64());
        Assert.Equal(4, new HashSet<ulong> { first, DeterministicRandom.For(8, "mask").NextUInt64(), DeterministicRandom.For(7, "trigger").NextUInt64(), DeterministicRandom.For(7, "mask", 1).NextUInt64() }.Count);
    }

    [Fact]
    public void NextInt32_ManyDraws_AreUniform()
    {
        var random = new DeterministicRandom(5);
        var counts = new int[7];
        for (var i = 0; i < 70_000; i++)
            counts[random.NextInt32(7)]++;
        var chiSquare = counts.Sum(count => (count - 10_000.0) * (count - 10_000.0) / 10_000);
        Assert.InRange(chiSquare, 0, 22.5); // 0.1% of random samples lie above, 6 degrees of freedom
        Assert.Throws<ArgumentOutOfRangeException>(() => random.NextInt32(0));
    }

    [Fact]
    public void NextGaussian_ManyDraws_HaveMean0AndVariance1()
    {
        var random = new DeterministicRandom(6);
        var values = Enumerable.Range(0, 50_000).Select(_ => random.NextGaussian()).ToArray();
        Assert.InRange(values.Average(), -0.02, 0.02);
        Assert.InRange(values.Sum(value => value * value) / values.Length, 0.97, 1.03);
    }

    [Fact]
    public void Shuffle_AnySeed_KeepsTheItems()
    {
        Check.QuickThrowOnFailure(Prop.ForAll<ulong, int[]>((seed, items) =>
        {
            var copy = items.ToArray();
            new DeterministicRandom(seed).Shuffle<int>(copy);
            return copy.Order().SequenceEqual(items.Order());
        }));
    }
}
