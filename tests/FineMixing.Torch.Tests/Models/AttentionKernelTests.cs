using FineMixing.Torch.Models;
using FineMixing.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Models;

public class AttentionKernelTests
{
    private static readonly int[] _lengths = [1, 2, 7, 8, 9, 16, 17, 70, 1];

    public AttentionKernelTests() => TorchRuntime.EnsureLoaded();

    [Theory]
    [InlineData(3, 7, false, 1)]
    [InlineData(3, 8, false, 1)]
    [InlineData(12, 32, false, 1)]
    [InlineData(2, 40, false, 1)]
    [InlineData(2, 64, false, 300)]
    [InlineData(3, 7, true, 1)]
    [InlineData(3, 10, true, 1)]
    [InlineData(12, 32, true, 1)]
    [InlineData(2, 64, true, 300)]
    public void Run_TextsEndToEnd_EqualsEachTextWrittenOut(int heads, int size, bool low, float scale)
    {
        using var scope = NewDisposeScope();
        var projected = Random(heads * size * 3, low, scale);
        var bias = ((rand([heads * size * 3], generator: new Generator(8)) * 2) - 1).to(projected.dtype);
        var actual = AttentionKernel.Run(projected, bias, new TextPlaces(_lengths), heads);
        Assert.Equal(projected.dtype, actual.dtype);
        Assert.Equal([1, projected.shape[1], heads * size], actual.shape);
        AssertClose(WrittenOut(projected.to(float64) + bias.to(float64), heads), actual, low, scale);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void FirstTokens_OfEveryText_EqualsTheFirstTokensOfAll(bool low)
    {
        using var scope = NewDisposeScope();
        const int Heads = 3;
        var projected = Random(Heads * 24 * 3, low, 1);
        var places = new TextPlaces(_lengths);
        var starts = tensor(places.Starts);
        var bias = rand([Heads * 24 * 3], generator: new Generator(8)).to(projected.dtype);
        var expected = AttentionKernel.Run(projected, bias, places, Heads).index_select(1, starts);
        var query = projected.narrow(2, 0, Heads * 24).index_select(1, starts).contiguous();
        var actual = AttentionKernel.FirstTokens(query, bias.narrow(0, 0, Heads * 24), projected.narrow(2, Heads * 24, Heads * 48).contiguous(), bias.narrow(0, Heads * 24, Heads * 48).contiguous(), places, Heads);
        Assert.True(expected.eq(actual).all().item<bool>());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_NaNInAKeyOfOneText_IsSeenThereAndNowhereElse(bool low)
    {
        using var scope = NewDisposeScope();
        var projected = Random(2 * 16 * 3, low, 1);
        var places = new TextPlaces(_lengths);
        projected[0, places.Starts[4] + 3, 32 + 5] = float.NaN;
        var wrong = AttentionKernel.Run(projected, zeros(2 * 16 * 3, dtype: projected.dtype), places, 2).isnan().any(2).squeeze(0).data<bool>().ToArray();
        var first = (int)places.Starts[4];
        Assert.Equal(Enumerable.Range(0, wrong.Length).Select(i => i >= first && i < first + _lengths[4]), wrong);
    }

    private static Tensor Random(int width, bool low, float scale)
    {
        var values = rand([1, _lengths.Sum(), width], generator: new Generator(7)) * 2 - 1;
        values = values * scale;
        return low ? values.to(bfloat16) : values;
    }

    // One text after the other, in double precision.
    private static Tensor WrittenOut(Tensor projected, int heads)
    {
        var size = projected.shape[2] / 3 / heads;
        var texts = projected.to(float64).squeeze(0).split([.. _lengths.Select(l => (long)l)]);
        return cat([.. texts.Select(text =>
        {
            var parts = text.view(text.shape[0], 3, heads, size).permute(1, 2, 0, 3);
            var weights = (parts[0].matmul(parts[1].transpose(-1, -2)) / Math.Sqrt(size)).softmax(-1);
            return weights.matmul(parts[2]).transpose(0, 1).reshape(text.shape[0], heads * size);
        })]).unsqueeze(0);
    }

    // Single precision: rounding of scores of this size, whose exponentials it multiplies. Bfloat16: half a unit in the last place of the result as well.
    private static void AssertClose(Tensor expected, Tensor actual, bool low, float scale)
    {
        var most = (expected - actual.to(float64)).abs().max().item<double>();
        Assert.InRange(most, 0, scale * (low ? 1 / 128.0 : scale == 1 ? 1e-6 : 2e-2));
    }
}
