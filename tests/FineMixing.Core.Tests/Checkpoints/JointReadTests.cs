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
        var (a, b, c) = (Tensor(checkpoint, "a"), Tensor(checkpoint, "b"), Tensor(checkpoint, "c"));
        var read = Joined(checkpoint, (a, 40, 160), (b, 0, 28), (c, 0, 100));
        Assert.NotNull(read);
        var bytes = new byte[288];
        Assert.True(read.Value.Try(bytes));
        Assert.Equal((byte[])[.. StateDicts.Bytes(Sample, a)[40..], .. StateDicts.Bytes(Sample, b), .. StateDicts.Bytes(Sample, c)[..100]], bytes);
    }

    [Fact]
    public void Try_NotSideBySide_IsLeftToTheCaller()
    {
        using var folder = new TemporaryFolder();
        using var checkpoint = Open(folder, long.MaxValue);
        var (a, b, c) = (Tensor(checkpoint, "a"), Tensor(checkpoint, "b"), Tensor(checkpoint, "c"));
        bool Read(ICheckpoint from, int length, params (TensorInfo, long, long)[] runs) => Joined(from, runs)?.Try(new byte[length]) == true;
        Assert.True(Read(checkpoint, 8, (a, 192, 8)));
        Assert.False(Read(checkpoint, 228, (b, 0, 28), (a, 0, 200)));
        Assert.False(Read(checkpoint, 360, (a, 0, 200), (c, 0, 160)));
        Assert.False(Read(checkpoint, 224, (a, 0, 196), (b, 0, 28)));
        Assert.False(Read(checkpoint, 9, (a, 192, 8)));
        Assert.False(Read(checkpoint, 12, (a, 192, 12)));
        Assert.False(Read(checkpoint, 4, (a.WithName("other"), 0, 4)));
        Assert.False(Read(Sample, 8, (a, 192, 8)));
        Assert.False(default(JointRead).Try([]));
    }

    [Fact]
    public void Try_OtherFileOrFileCutShort_IsLeftToTheCaller()
    {
        using var folder = new TemporaryFolder();
        using (var shards = Open(folder, 200))
            Assert.Null(Joined(shards, (Tensor(shards, "a"), 0, 200), (Tensor(shards, "b"), 0, 28)));

        using var other = new TemporaryFolder();
        using var checkpoint = Open(other, long.MaxValue);
        TestFiles.Truncate(other["model.safetensors"], 4096 + 100);
        Assert.False(Joined(checkpoint, (Tensor(checkpoint, "a"), 0, 200))!.Value.Try(new byte[200]));
    }

    private static JointRead? Joined(ICheckpoint checkpoint, params (TensorInfo Tensor, long Start, long Length)[] runs)
    {
        var read = new JointRead(checkpoint);
        return runs.All(r => read.Add(r.Tensor, r.Start, r.Length)) ? read : null;
    }

    private static ICheckpoint Open(TemporaryFolder folder, long shardBytes)
    {
        CheckpointWriter.Write(Sample, folder.Path, new CheckpointWriterOptions { MaxShardBytes = shardBytes });
        return Checkpoint.Open(folder.Path);
    }

    private static TensorInfo Tensor(ICheckpoint checkpoint, string name) => checkpoint.Tensors.Single(t => t.Name == name);
}
