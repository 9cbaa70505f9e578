using FineMixing.Torch.Models;
using FineMixing.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Models;

public class ResidualNormTests
{
    public ResidualNormTests() => TorchRuntime.EnsureLoaded();

    [Theory]
    [InlineData(5, false, 2e-6)]
    [InlineData(8, false, 2e-6)]
    [InlineData(387, false, 2e-6)]
    [InlineData(5, true, 0.02)]
    [InlineData(387, true, 0.02)]
    public void Run_EqualsTheThreeOperations(int hidden, bool low, double tolerance)
    {
        using var scope = NewDisposeScope();
        var random = new Generator(3);
        Tensor Random(params long[] shape) => (rand(shape, generator: random) * 2) - 1;
        Tensor Stored(Tensor x) => low ? x.to(bfloat16) : x;
        var (product, residual, bias) = (Stored(Random(1, 7, hidden)), Stored(Random(1, 7, hidden)), Stored(Random(hidden)));
        var (weight, normBias) = (Random(hidden), Random(hidden));
        var expected = nn.functional.layer_norm(product.to(float64) + bias.to(float64) + residual.to(float64), [hidden], weight.to(float64), normBias.to(float64), 1e-3);
        var untouched = residual.clone();
        var actual = ResidualNorm.Run(product, bias, residual, weight, normBias, 1e-3);
        Assert.Equal(Stored(zeros(1)).dtype, actual.dtype);
        Assert.InRange((expected - actual.to(float64)).abs().max().item<double>(), 0, tolerance);
        Assert.True(untouched.eq(residual).all().item<bool>());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_NaNInOneRow_IsSeenThereAndNowhereElse(bool low)
    {
        using var scope = NewDisposeScope();
        Tensor Stored(Tensor x) => low ? x.to(bfloat16) : x;
        var product = Stored(rand(1, 3, 19));
        product[0, 1, 17] = float.NaN;
        var wrong = ResidualNorm.Run(product, Stored(zeros(19)), Stored(ones(1, 3, 19)), ones(19), zeros(19), 1e-12).isnan().all(2).squeeze(0).data<bool>().ToArray();
        Assert.Equal([false, true, false], wrong);
    }
}
