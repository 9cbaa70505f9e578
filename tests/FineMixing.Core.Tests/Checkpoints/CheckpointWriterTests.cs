using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

public class CheckpointWriterTests
{
    private static readonly StateDict Sample = StateDicts.Random(1,
        new TensorInfo("b.weight", DType.F32, [7, 5]), new TensorInfo("a.flag", DType.Bool, [3]), new TensorInfo("c.half", DType.BF16, [11]),
        new TensorInfo("scalar", DType.I64, []), new TensorInfo("empty", DType.F16, [4, 0]), new TensorInfo("", DType.F4, [2]), new TensorInfo("zwölf \"π\"\\\n\u0001", DType.F64, [2, 2]));

    [Fact]
    public void Write_SingleFile_ReadsBackEqual()
    {
        using var folder = new TemporaryFolder();
        var files = CheckpointWriter.Write(Sample, folder.Path);
        Assert.Equal([folder["model.safetensors"]], files);
        using var read = Checkpoint.Open(folder.Path);
        StateDicts.AssertEqual(Sample, read);
        Assert.Equal("pt", read.Metadata["format"]);
    }

    [Fact]
    public void Write_SmallShardLimit_ReadsBackEqual()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path, new CheckpointWriterOptions { MaxShardBytes = 50 });
        Assert.Equal(["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"], folder.Names);
        using var read = Checkpoint.Open(folder.Path);
        StateDicts.AssertEqual(Sample, read);
    }
}
