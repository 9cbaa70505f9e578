using FineMixing.FineTuning;
using FineMixing.Torch.FineTuning;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.FineTuning;

public class HardwareTests
{
    [Theory]
    [InlineData(Precision.Auto, true, true)]
    [InlineData(Precision.BFloat16, true, true)]
    [InlineData(Precision.Float32, true, false)]
    [InlineData(Precision.Auto, false, false)]
    [InlineData(Precision.BFloat16, false, false)]
    public void UseBFloat16_OnACpu_WhereItMultipliesThemAndNothingElseWasAskedFor(Precision precision, bool onCpu, bool expected)
    {
        Hardware.Device("cpu");
        Assert.Equal(expected, Hardware.UseBFloat16(precision, CPU, null, onCpu));
    }

    [Fact]
    public void UseBFloat16_AskedForWhereThereIsNone_SaysSoOnceInEachLog()
    {
        Hardware.Device("cpu");
        var (first, second) = (new Notes(), new Notes());
        foreach (var log in new[] { first, first, second })
            Hardware.UseBFloat16(Precision.BFloat16, CPU, log, onCpu: false);
        Hardware.UseBFloat16(Precision.Auto, CPU, second, onCpu: false);
        Assert.All(new[] { first, second }, log => Assert.Contains("no bfloat16 matrix products", Assert.Single(log.Lines), StringComparison.Ordinal));
    }
}
