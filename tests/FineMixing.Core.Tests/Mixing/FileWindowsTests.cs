using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;
using FineMixing.Mixing;

namespace FineMixing.Core.Tests.Mixing;

public class FileWindowsTests
{
    private const int Window = 4096;

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(3001)]
    [InlineData(4095)]
    public void CutAndGather_TensorsOfAllSizes_CoverTheFileOnceInWindows(int header)
    {
        var tensors = new List<(TensorInfo Tensor, long Offset)>();
        long end = header;
        foreach (var (type, count) in new[] { (DType.F32, 5000L), (DType.BF16, 3L), (DType.F32, 0L), (DType.U8, 1L), (DType.F64, 4000L), (DType.BF16, 2048L), (DType.F32, 1L), (DType.F32, 1024L), (DType.F16, 9999L) })
        {
            var tensor = new TensorInfo(FormattableString.Invariant($"t{tensors.Count}"), type, [count]);
            tensors.Add((tensor, end));
            end += tensor.ByteLength;
        }

        var windows = FileWindows.Gather(FileWindows.Cut(tensors.Select(t => new SafetensorsEntry(t.Tensor, t.Offset)), _ => false, Window), Window).ToList();
        var pieces = windows.SelectMany(w => w).ToList();

        // One behind the other, without gaps.
        Assert.Equal(header, pieces[0].Offset);
        Assert.Equal(end, pieces[^1].End);
        Assert.All(pieces.Zip(pieces.Skip(1)), p => Assert.Equal(p.First.End, p.Second.Offset));
        foreach (var (tensor, offset) in tensors)
        {
            var own = pieces.Where(p => p.Tensor == tensor).ToList();
            Assert.Equal(tensor.ElementCount, own.Sum(p => p.Count));
            Assert.All(own, p => Assert.Equal(offset + (p.Start * tensor.DType.BitSize() / 8), p.Offset));
        }

        // A window is one piece of the file from a multiple of its size on, give or take an element.
        Assert.Equal((end / Window) - (header / Window) + 1, windows.Count);
        Assert.All(windows.Skip(1), w => Assert.InRange(w[0].Offset % Window, 0, 7));
        Assert.All(windows, w => Assert.InRange(w[^1].End - w[0].Offset, 1, Window + 7));
    }

    [Fact]
    public void CutAndGather_WholeTensor_StandsAlone()
    {
        var (small, large) = (new TensorInfo("small", DType.F32, [10]), new TensorInfo("large", DType.F32, [5000]));
        var pieces = FileWindows.Cut([new(small, 0), new(large, 40), new(small, 20040)], tensor => tensor == large, Window);
        Assert.Equal([[0], [40], [20040]], FileWindows.Gather(pieces, Window).Select(w => w.Select(p => p.Offset).ToArray()));
    }

    [Fact]
    public void Gather_GapInTheFile_BeginsAWindow()
    {
        var tensor = new TensorInfo("t", DType.F32, [10]);
        Assert.Equal([[0], [100]], FileWindows.Gather([new FilePiece(tensor, 0, 10, 0), new FilePiece(tensor, 0, 10, 100)], Window).Select(w => w.Select(p => p.Offset).ToArray()));
    }
}
