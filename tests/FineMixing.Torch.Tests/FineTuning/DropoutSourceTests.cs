using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.FineTuning;

public class DropoutSourceTests
{
    public static TheoryData<string, ScalarType> Places
    {
        get
        {
            var data = new TheoryData<string, ScalarType>();
            foreach (var device in cuda.is_available() ? new[] { "cpu", "cuda" } : ["cpu"])
            {
                data.Add(device, ScalarType.Float32);
                data.Add(device, ScalarType.BFloat16);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void Apply_StatePutBack_RepeatsTheMasks(string device, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var source = new DropoutSource(1, null);
        source.Begin(5, 0);
        var x = ones(100_000, dtype: type, device: new Device(device));
        var state = source.State;
        var (first, second) = (source.Apply(x, 0.2), source.Apply(x, 0.2));
        source.State = state;
        Assert.True(first.allclose(source.Apply(x, 0.2), 0, 0));
        Assert.False(first.allclose(second, 0, 0));
        Assert.InRange(first.eq(0).sum().item<long>(), 19_300, 20_700);
        Assert.Equal(1.25f, first.max().to(float32).item<float>());
    }
}
