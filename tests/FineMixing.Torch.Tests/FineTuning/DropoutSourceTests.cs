using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.FineTuning;

public class DropoutSourceTests
{
    // What devices other than the CPU use; it runs on any.
    [Fact]
    public void Drawn_SameState_GivesTheSameMaskWithTheRightShare()
    {
        using var scope = NewDisposeScope();
        using var source = new DropoutSource(1, null);
        source.Begin(5, 0);
        var x = ones(100_000);
        var first = source.Drawn(x, 0.2);
        var again = source.Drawn(x, 0.2);
        source.Begin(6, 0);
        var other = source.Drawn(x, 0.2);
        Assert.True(first.allclose(again, 0, 0));
        Assert.False(first.allclose(other, 0, 0));
        Assert.InRange(first.eq(0).sum().item<long>(), 19_300, 20_700);
        Assert.Equal(1.25f, first.max().item<float>());
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Apply_StatePutBack_RepeatsTheMasks(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var source = new DropoutSource(1, null);
        source.Begin(5, 0);
        var x = ones(1000, dtype: type);
        var state = source.State;
        var (first, second) = (source.Apply(x, 0.5), source.Apply(x, 0.5));
        source.State = state;
        Assert.True(first.allclose(source.Apply(x, 0.5), 0, 0));
        Assert.False(first.allclose(second, 0, 0));
    }
}
