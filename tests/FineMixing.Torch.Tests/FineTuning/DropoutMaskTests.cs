using FineMixing.Torch.FineTuning;

namespace FineMixing.Torch.Tests.FineTuning;

public class DropoutMaskTests
{
    [Theory]
    [InlineData(1, 0.1)]
    [InlineData(16, 0.1)]
    [InlineData(31, 0.5)]
    [InlineData(1000, 0.1)]
    public void Fill_AnyLength_EqualsHashOfEachElement(int count, double probability)
    {
        const ulong Key = 0xFEDCBA9876543210UL;
        var single = new float[count];
        var low = new ushort[count];
        DropoutMask.Fill(single, Key, probability);
        DropoutMask.Fill(low, Key, probability);
        for (var i = 0; i < count; i++)
        {
            var z = Key + ((ulong)(i / 4) * 0x9E3779B97F4A7C15UL);
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            z ^= z >> 31;
            var kept = (ushort)(z >> (16 * (i % 4))) >= Math.Round(probability * 65536);
            Assert.Equal(kept ? (float)(1 / (1 - probability)) : 0, single[i]);
            Assert.Equal(kept ? Checkpoints.FloatConversion.ToBFloat16(single[i]) : 0, low[i]);
        }
    }

    // A change of these bits changes every training run with dropout.
    [Fact]
    public void Fill_KnownKey_GivesKnownMask()
    {
        var mask = new float[64];
        DropoutMask.Fill(mask, 12345, 0.5);
        Assert.Equal("1011011011100100000001111110100000001000111100101000100110111111", string.Concat(mask.Select(m => m == 0 ? '0' : '1')));
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    public void Fill_ManyElements_DropsTheRightShare(double probability)
    {
        const int Count = 1_000_003;
        var mask = new float[Count];
        DropoutMask.Fill(mask, 99, probability);
        var dropped = mask.Count(x => x == 0);
        var deviation = Math.Sqrt(Count * probability * (1 - probability));
        Assert.InRange(dropped, (Count * probability) - (5 * deviation) - 20, (Count * probability) + (5 * deviation) + 20);
        var other = new float[Count];
        DropoutMask.Fill(other, 100, probability);
        Assert.False(mask.AsSpan().SequenceEqual(other));
    }
}
