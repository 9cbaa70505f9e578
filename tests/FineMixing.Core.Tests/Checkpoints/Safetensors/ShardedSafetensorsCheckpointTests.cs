using System.Diagnostics;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Safetensors;

/// <summary>Shards of the reference, and hand-made attacks on the index.</summary>
public class ShardedSafetensorsCheckpointTests
{
    private const string Shard1 = "model-00001-of-00002.safetensors";
    private const string Shard2 = "model-00002-of-00002.safetensors";
    private const string Index = "model.safetensors.index.json";

    [Fact]
    public void Open_ShardsOfTheReference_EqualTheSingleFile()
    {
        using var single = Checkpoint.Open(SharedData.Path("oracle", "models", "bert"));
        using var sharded = Checkpoint.Open(SharedData.Path("oracle", "sharded"));
        StateDicts.AssertEqual(single, sharded);
        Assert.Equal(4, sharded.Files.Count);
        Assert.Equal("pt", sharded.Metadata["format"]);
    }

    [Fact]
    public void Open_AnyNames_FindsEachTensorInItsShard()
    {
        // Long names, names that are escaped in the files, shards in turns, more shapes than are remembered.
        var model = new StateDict();
        string[] kinds = ["plain", "\"quoted\" \\ \u0001", "é€😀", new string('n', 300)];
        for (var i = 0; i < 200; i++)
            model.Add(HostTensor.FromFloat32($"{kinds[i % kinds.Length]}.{i}", [i % 23, 1 + (i / 23)], new float[i % 23 * (1 + (i / 23))]));
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(model, folder.Path, new CheckpointWriterOptions { MaxShardBytes = 2000 });
        using var opened = Checkpoint.Open(folder.Path);
        Assert.True(opened.Files.Count > 5);
        StateDicts.AssertEqual(model, opened);
        Assert.All(opened.Tensors, t => Assert.True(opened.TryGetTensor(new string(t.Name), out var found) && found == t));
        Assert.False(opened.TryGetTensor("plain", out _));
    }

    [Fact]
    public void Open_NamesInIndexAndShard_AreHeldOnce()
    {
        using var folder = new TemporaryFolder();
        var model = new StateDict();
        for (var i = 0; i < 20; i++)
            model.Add(HostTensor.FromFloat32($"layer.{i}.weight", [2], [i, i]));
        CheckpointWriter.Write(model, folder.Path, new CheckpointWriterOptions { MaxShardBytes = 50 });
        var index = ShardIndex.Read(folder[Index]);
        using var shard = SafetensorsCheckpoint.Open(folder[index.Shards[0]], index.NameOf);
        Assert.All(shard.Tensors, t => Assert.Contains(index.ShardOfTensor.Keys, name => ReferenceEquals(name, t.Name)));
        Assert.All(shard.Tensors, t => Assert.Same(index.Shards[0], index.ShardOfTensor[t.Name]));
        Assert.Single(shard.Tensors.Select(t => t.Shape).Distinct());
        Assert.Null(index.NameOf("layer.20.weight"));
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("[]", "an object")]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map":{}}""", "weight_map")]
    [InlineData("""{"weight_map":null}""", "object of 'weight_map'")]
    [InlineData("""{"weight_map":["a"]}""", "object of 'weight_map'")]
    [InlineData("""{"weight_map":{"a":1}}""", "file name")]
    [InlineData("""{"weight_map":{"a":null}}""", "file name")]
    [InlineData("""{"weight_map":{"a":"x","a":"x"}}""", "twice")]
    [InlineData("""{"weight_map":{"a":"x","\u0061":"y"}}""", "twice")]
    [InlineData("""{"weight_map":{"a":"x"},"weight_map":{"a":"x"}}""", "twice")]
    [InlineData("""{"weight_map":{"a":"x"}} {}""", "JSON")]
    [InlineData("""{"metadata":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],"weight_map":{"a":"x"}}""", "JSON")]
    [InlineData("""{"weight_map":{"a":""}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"."}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":".."}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"../model.safetensors"}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"sub/model.safetensors"}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"\u002fetc\u002fpasswd"}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"..\\model.safetensors"}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"C:model.safetensors"}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"x\u0000.safetensors"}}""", "bare file name")]
    [InlineData("""{"weight_map":{"a":"missing.safetensors"}}""", "missing.safetensors")]
    public void Open_HostileIndex_IsRefused(string json, string reason)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder[Index], json.Length == 0 ? " " : json);
        var error = Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_LinkOutOfTheFolder_IsRefused()
    {
        using var folder = Write();
        using var elsewhere = new TemporaryFolder();
        File.Move(folder[Shard1], elsewhere["x.safetensors"]);
        File.CreateSymbolicLink(folder[Shard1], elsewhere["x.safetensors"]);
        Assert.Contains("link out of the folder", Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_LinkOutThroughALinkInTheFolder_IsRefused()
    {
        using var folder = Write();
        using var elsewhere = new TemporaryFolder();
        File.Move(folder[Shard1], elsewhere["x.safetensors"]);
        File.CreateSymbolicLink(folder["step"], elsewhere["x.safetensors"]);
        File.CreateSymbolicLink(folder[Shard1], "step");
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
    }

    [Fact]
    public void Open_LinkLoop_IsRefused()
    {
        using var folder = Write();
        File.Delete(folder[Shard1]);
        File.CreateSymbolicLink(folder[Shard1], Shard1);
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
    }

    [Fact]
    public void Open_LinkToANeighbour_IsRead()
    {
        using var folder = Write();
        File.Move(folder[Shard1], folder["stored"]);
        File.CreateSymbolicLink(folder[Shard1], "stored");
        using var checkpoint = Checkpoint.Open(folder.Path);
        Assert.Equal(2, StateDict.Load(checkpoint).Tensors.Count);
    }

    [Fact]
    public void Open_FolderOfTheHuggingFaceCache_IsRead()
    {
        using var model = new TemporaryFolder();
        using var written = Write();
        var snapshot = Directory.CreateDirectory(model.PathOf("snapshots", "revision")).FullName;
        Directory.CreateDirectory(model["blobs"]);
        foreach (var name in written.Names)
        {
            File.Move(written[name], model.PathOf("blobs", name + "-hash"));
            File.CreateSymbolicLink(Path.Combine(snapshot, name), Path.Combine("..", "..", "blobs", name + "-hash"));
        }

        using var checkpoint = Checkpoint.Open(snapshot);
        Assert.Equal(2, checkpoint.Tensors.Count);
    }

    [Fact]
    public void Open_PipeAsShard_IsRefusedWithoutWaiting()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no named pipes in folders.");
        using var folder = Write();
        File.Delete(folder[Shard2]);
        using (var mkfifo = Process.Start("mkfifo", folder[Shard2]))
            mkfifo.WaitForExit();
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
    }

    [Theory]
    [InlineData($$$"""{"weight_map":{"a":"{{{Shard1}}}"}}""", null)] // less than the files hold is fine as long as no named shard holds more
    [InlineData($$$"""{"weight_map":{"a":"{{{Shard1}}}","b":"{{{Shard1}}}"}}""", "lacks a tensor")]
    [InlineData($$$"""{"weight_map":{"a":"{{{Shard2}}}","b":"{{{Shard1}}}"}}""", "the index places in")]
    [InlineData($$$"""{"weight_map":{"x":"{{{Shard1}}}","b":"{{{Shard2}}}"}}""", "does not list")]
    [InlineData($$$"""{"weight_map":{"a":"{{{Shard1}}}","b":"{{{Shard2}}}","c":"{{{Shard2}}}"}}""", "lacks a tensor")]
    public void Open_MapAndShardsDisagree_IsRefused(string json, string? reason)
    {
        using var folder = Write();
        File.WriteAllText(folder[Index], json);
        if (reason is null)
            Checkpoint.Open(folder.Path).Dispose();
        else
            Assert.Contains(reason, Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_SameTensorInTwoShards_IsRefused()
    {
        using var folder = Write();
        File.Copy(folder[Shard1], folder[Shard2], overwrite: true);
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
    }

    [Fact]
    public void Open_RefusedShard_LeavesNoFileOpen()
    {
        using var folder = Write();
        File.WriteAllText(folder[Shard2], "broken file");
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
        // Exclusive access is refused while a reader is open.
        File.Open(folder[Shard1], FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
    }

    [Fact]
    public void Open_IndexOf1001Shards_IsRefused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder[Index], $$$"""{"weight_map":{ {{{string.Join(',', Enumerable.Range(0, 1001).Select(i => $"\"{i}\":\"{i}\""))}}} }}""");
        Assert.Contains("1001 shards", Assert.Throws<CheckpointFormatException>(() => ShardedSafetensorsCheckpoint.Open(folder[Index])).Message, StringComparison.Ordinal);
    }

    private static TemporaryFolder Write()
    {
        var folder = new TemporaryFolder();
        CheckpointWriter.Write(StateDicts.Random(1, new TensorInfo("a", DType.U8, [4]), new TensorInfo("b", DType.U8, [4])), folder.Path, new CheckpointWriterOptions { MaxShardBytes = 4 });
        return folder;
    }
}
