using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Pickle;

namespace FineMixing.Tests.Checkpoints.Pickle;

public class PickleShardTests
{
    [Fact]
    public void Open_TwoShards_IsOneCheckpointWithAllItsFiles()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a.bin", "v");
        Write(folder, "b.bin", "w");
        Index(folder, ("v", "a.bin"), ("w", "b.bin"));
        using var checkpoint = PickleCheckpoint.Open(folder.Path);
        Assert.Equal(["v", "w"], checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal([folder[PickleCheckpoint.IndexName], folder["a.bin"], folder["b.bin"]], checkpoint.Files);
        Assert.Equal(TorchFile.Floats(6), StateDict.Load(checkpoint)["w"].Bytes);
    }

    [Fact]
    public void Open_IndexThatNamesMore_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a.bin", "v");
        Index(folder, ("v", "a.bin"), ("w", "a.bin"));
        Assert.Equal("w", Refused(folder).Tensor);
    }

    [Fact]
    public void Open_IndexThatNamesLess_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a.bin", "v", "w");
        Index(folder, ("v", "a.bin"));
        Assert.Equal("w", Refused(folder).Tensor);
    }

    [Fact]
    public void Open_TensorInTwoShards_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a.bin", "v");
        Write(folder, "b.bin", "v", "w");
        Index(folder, ("v", "a.bin"), ("w", "b.bin"));
        Assert.Equal("v", Refused(folder).Tensor);
    }

    [Theory]
    [InlineData("../a.bin")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("missing.bin")]
    public void Open_ShardElsewhere_IsRefused(string shard)
    {
        using var folder = new TemporaryFolder();
        Index(folder, ("v", shard));
        Refused(folder);
    }

    [Fact]
    public void Open_LinkOutOfTheFolder_IsRefused()
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();
        Write(elsewhere, "a.bin", "v");
        File.CreateSymbolicLink(folder["a.bin"], elsewhere["a.bin"]);
        Index(folder, ("v", "a.bin"));
        Assert.Contains("link out of the folder", Refused(folder).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_HostileShard_LeavesNoFileOpen()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a.bin", "v");
        File.WriteAllBytes(folder["b.bin"], TorchFile.Zip(new PickleAssembler().Global("os", "system").Stop().ToArray()));
        Index(folder, ("v", "a.bin"), ("w", "b.bin"));
        Refused(folder);
        using var alone = new FileStream(folder["a.bin"], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.True(alone.CanWrite);
    }

    [Fact]
    public void Open_EmptyFolder_NamesWhatItLooksFor()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("pytorch_model.bin.index.json", Assert.Throws<FileNotFoundException>(() => PickleCheckpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OutsideOfATensor_IsAnArgumentError()
    {
        using var checkpoint = TorchFile.Open(TorchFile.Small());
        var tensor = checkpoint.Tensors[0];
        Assert.Throws<ArgumentException>(() => checkpoint.Read(tensor, 1, new byte[24]));
        Assert.Throws<ArgumentException>(() => checkpoint.Read(tensor, -1, new byte[1]));
        Assert.Throws<ArgumentException>(() => checkpoint.Read(tensor.WithName("other"), 0, new byte[1]));
    }

    [Fact]
    public void Read_FileCutWhileOpen_IsTheDocumentedException()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a.bin", "v");
        using var checkpoint = PickleCheckpoint.Open(folder["a.bin"]);
        using (var file = new FileStream(folder["a.bin"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            file.SetLength(10);
        Assert.Throws<CheckpointFormatException>(() => checkpoint.Read(checkpoint.Tensors[0], 0, new byte[24]));
    }

    private static CheckpointFormatException Refused(TemporaryFolder folder) => Assert.Throws<CheckpointFormatException>(() => PickleCheckpoint.Open(folder.Path));

    private static void Write(TemporaryFolder folder, string shard, params string[] names)
    {
        var assembler = new PickleAssembler().EmptyDict().Mark();
        foreach (var name in names)
            assembler.Text(name).Tensor("0", 6, 0, [6], [1]);
        File.WriteAllBytes(folder[shard], TorchFile.Zip(assembler.SetItems().Stop().ToArray(), ("0", TorchFile.Floats(6))));
    }

    private static void Index(TemporaryFolder folder, params (string Tensor, string Shard)[] map) =>
        File.WriteAllText(folder[PickleCheckpoint.IndexName], JsonSerializer.Serialize(new { metadata = new { total_size = 1 }, weight_map = map.ToDictionary(m => m.Tensor, m => m.Shard) }));
}
