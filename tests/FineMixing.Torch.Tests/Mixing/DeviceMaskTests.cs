using FineMixing.Mixing;
using FineMixing.Torch.Mixing;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Mixing;

public class DeviceMaskTests
{
    public static TheoryData<string> Devices => cuda.is_available() ? ["cpu", "cuda"] : ["cpu"];

    [Theory]
    [MemberData(nameof(Devices))]
    public void Kept_AnyRatio_IsTheMaskOfTheCore(string device)
    {
        foreach (var ratio in (double[])[0, 0.1, 0.5, 1 - 1e-12, 1])
        {
            // Two million elements meet about thirty ties with the threshold.
            const int Count = 2_000_003;
            var expected = new bool[Count];
            RandomMask.Bernoulli(7, "bert.pooler.dense.weight", ratio).Fill(0, expected);
            using var actual = DeviceMask.Kept(7, "bert.pooler.dense.weight", ratio, 0, Count, new Device(device));
            Assert.True(expected.AsSpan().SequenceEqual(actual.cpu().data<bool>().ToArray()), $"ratio {ratio}");
        }
    }

    [Fact]
    public void Kept_Part_EqualsThatPartOfTheWhole()
    {
        using var whole = DeviceMask.Kept(3, "w", 0.3, 0, 1000, CPU);
        using var part = DeviceMask.Kept(3, "w", 0.3, 333, 500, CPU);
        Assert.Equal(whole.data<bool>().ToArray()[333..833], part.data<bool>().ToArray());
    }

    [Fact]
    public void Mix_MixedTypes_KeepsSuspectBitsAndItsType()
    {
        using var scope = NewDisposeScope();
        var suspect = randn(40, 50).to(bfloat16);
        var @base = randn(40, 50);
        var mixed = DeviceMask.Mix(suspect, @base, "w", 0.4, 5);
        Assert.Equal(ScalarType.BFloat16, mixed.dtype);
        var kept = DeviceMask.Kept(5, "w", 0.4, 0, 2000, CPU).view(40, 50);
        Assert.True(mixed.eq(where(kept, suspect, @base.to(bfloat16))).all().item<bool>());
        Assert.InRange(kept.sum().item<long>(), 700, 900);
    }

    [Fact]
    public void Mix_OtherShape_NamesTheTensor()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("'w'", Assert.Throws<ArgumentException>(() => DeviceMask.Mix(zeros(2, 3), zeros(3, 2), "w", 0.5, 1)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => DeviceMask.Mix(zeros(2), zeros(2), "w", 1.5, 1));
    }
}
