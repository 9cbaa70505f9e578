using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

public class JointReadTests
{
    private static readonly StateDict Sample = StateDicts.Random(9, new TensorInfo("a", DType.F32, [50]), new TensorInfo("b", DType.F32, [7]), new TensorInfo("c", DType.F32, [40]));

    [Fact]
    public void Try_RunsSideBySide_AreReadAtOnce()
    {
        using var folder = new TemporaryFolder();
        using var checkpoint = Open(folder, long.MaxValue);
        TensorRun[] runs = [new(Tensor(checkpoint, "a"), 40, 160), new(Tensor(checkpoint, "b"), 0, 28), new(Tensor(checkpoint, "c"), 0, 100)];
        var bytes = new byte[288];
        var read = JointRead.Find(checkpoint, runs);
        Assert.NotNull(read);
        Assert.True(read.Try(bytes));
        byte[] expected = [.. StateDicts.Bytes(Sample, runs[0].Tensor)[40..], .. StateDicts.Bytes(Sample, runs[1].Tensor), .. StateDicts.Bytes(Sample, runs[2].Tensor)[..100]];
        Assert.Equal(expected, bytes);
    }

    [Fact]
    public void Try_NotSideBySide_IsLeftToTheCaller()
    {
        using var folder = new TemporaryFolder();
        using var checkpoint = Open(folder, long.MaxValue);
        var (a, b, c) = (Tensor(checkpoint, "a"), Tensor(checkpoint, "b"), Tensor(checkpoint, "c"));
        bool Read(ICheckpoint from, int length, params TensorRun[] runs) => JointRead.Find(from, runs)?.Try(new byte[length]) == true;
        Assert.True(Read(checkpoint, 8, new TensorRun(a, 192, 8)));
        Assert.False(Read(checkpoint, 228, new TensorRun(b, 0, 28), new TensorRun(a, 0, 200)));
        Assert.False(Read(checkpoint, 360, new TensorRun(a, 0, 200), new TensorRun(c, 0, 160)));
        Assert.False(Read(checkpoint, 224, new TensorRun(a, 0, 196), new TensorRun(b, 0, 28)));
        Assert.False(Read(checkpoint, 9, new TensorRun(a, 192, 8)));
        Assert.False(Read(checkpoint, 12, new TensorRun(a, 192, 12)));
        Assert.False(Read(checkpoint, 4, new TensorRun(a.WithName("other"), 0, 4)));
        Assert.False(Read(Sample, 8, new TensorRun(a, 192, 8)));
    }

    [Fact]
    public void Try_OtherFileOrFileCutShort_IsLeftToTheCaller()
    {
        using var folder = new TemporaryFolder();
        using (var shards = Open(folder, 200))
        {
            TensorRun[] runs = [new(Tensor(shards, "a"), 0, 200), new(Tensor(shards, "b"), 0, 28)];
            Assert.Null(JointRead.Find(shards, runs));
        }

        using var other = new TemporaryFolder();
        using var checkpoint = Open(other, long.MaxValue);
        TestFiles.Truncate(other["model.safetensors"], 4096 + 100);
        Assert.False(JointRead.Find(checkpoint, [new(Tensor(checkpoint, "a"), 0, 200)])!.Try(new byte[200]));
    }

    private static ICheckpoint Open(TemporaryFolder folder, long shardBytes)
    {
        CheckpointWriter.Write(Sample, folder.Path, new CheckpointWriterOptions { MaxShardBytes = shardBytes });
        return Checkpoint.Open(folder.Path);
    }

    private static TensorInfo Tensor(ICheckpoint checkpoint, string name) => checkpoint.Tensors.Single(t => t.Name == name);
}
