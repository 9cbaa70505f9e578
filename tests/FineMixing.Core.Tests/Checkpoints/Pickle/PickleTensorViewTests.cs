using System.Runtime.InteropServices;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Pickle;
using FsCheck;
using FsCheck.Fluent;

namespace FineMixing.Tests.Checkpoints.Pickle;

public class PickleTensorViewTests
{
    private const int Elements = 20_000;

    private static readonly byte[] Storage = TorchFile.Floats(Elements);

    // Strides beyond 1,024 elements go another way through the reader than those below.
    private static readonly Gen<(long Size, long Stride)> Dimension =
        from size in Gen.Choose(0, 6)
        from stride in Gen.OneOf(Gen.Choose(0, 12), Gen.Choose(900, 1100))
        select ((long)size, (long)stride);

    [Fact]
    public void Read_AnyStrides_EqualsIndexingElementByElement() => Prop.ForAll(
        Gen.Choose(0, 3).SelectMany(rank => Dimension.ListOf(rank)).Zip(Gen.Choose(0, 100)).ToArbitrary(),
        input =>
        {
            var (dimensions, offset) = input;
            long[] shape = [.. dimensions.Select(d => d.Size)], strides = [.. dimensions.Select(d => d.Stride)];
            using var source = new MemoryBytes(Storage);
            var view = PickleTensorView.Create("w", new PickleTensor(new PickleStorage("0", DType.F32, Elements), DType.F32, offset, shape, strides), source, new ZipEntry(0, Storage.Length));
            var expected = Indexed(shape, strides, offset).ToArray();
            var actual = new float[view.Info.ElementCount];
            view.ReadStrided(MemoryMarshal.AsBytes(actual.AsSpan()));
            Assert.Equal(expected, actual);
            if (!view.IsContiguous)
                return;
            var direct = new float[actual.Length];
            view.ReadContiguous(0, MemoryMarshal.AsBytes(direct.AsSpan()));
            Assert.Equal(expected, direct);
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(new long[] { 2, 3 }, new long[] { 3, 1 }, true)]
    [InlineData(new long[] { 2, 1, 3 }, new long[] { 3, 99, 1 }, true)]
    [InlineData(new long[] { 0, 3 }, new long[] { 9, 9 }, true)]
    [InlineData(new long[] { }, new long[] { }, true)]
    [InlineData(new long[] { 3, 2 }, new long[] { 1, 3 }, false)]
    [InlineData(new long[] { 2, 3 }, new long[] { 4, 1 }, false)]
    [InlineData(new long[] { 2, 3 }, new long[] { 0, 1 }, false)]
    public void IsContiguous_SizesOfOne_DoNotCount(long[] shape, long[] strides, bool expected)
    {
        using var source = new MemoryBytes(Storage);
        Assert.Equal(expected, PickleTensorView.Create("w", new PickleTensor(new PickleStorage("0", DType.F32, Elements), DType.F32, 0, shape, strides), source, new ZipEntry(0, Storage.Length)).IsContiguous);
    }

    private static IEnumerable<float> Indexed(long[] shape, long[] strides, long offset) =>
        shape.Length == 0 ? [offset] : Enumerable.Range(0, (int)shape[0]).SelectMany(i => Indexed(shape[1..], strides[1..], offset + (i * strides[0])));
}
