using FineMixing.Checkpoints;
using FineMixing.Provenance;
using FsCheck;
using FsCheck.Fluent;

namespace FineMixing.Tests.Checkpoints;

public class CheckpointWriterTests
{
    private static readonly StateDict Sample = StateDicts.Random(1,
        new TensorInfo("b.weight", DType.F32, [7, 5]), new TensorInfo("a.flag", DType.Bool, [3]), new TensorInfo("c.half", DType.BF16, [11]),
        new TensorInfo("scalar", DType.I64, []), new TensorInfo("empty", DType.F16, [4, 0]), new TensorInfo("", DType.F4, [2]), new TensorInfo("zwölf \"π\"\\\n\u0001", DType.F64, [2, 2]));

    private static readonly CheckpointWriterOptions Sharded = new() { MaxShardBytes = 50 };
    private static readonly CheckpointWriterOptions Overwriting = new() { Overwrite = true };

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
        var files = CheckpointWriter.Write(Sample, folder.Path, Sharded);
        Assert.Equal(["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"], folder.Names);
        Assert.Equal(folder.Names.Select(n => folder[n]), files);
        using var read = Checkpoint.Open(folder.Path);
        StateDicts.AssertEqual(Sample, read);
    }

    [Fact]
    public void Write_TensorOfSeveralPieces_ReadsBackEqual()
    {
        using var folder = new TemporaryFolder();
        var large = StateDicts.Random(2, new TensorInfo("w", DType.U8, [(3 << 20) + 17]));
        CheckpointWriter.Write(large, folder.Path);
        using var read = Checkpoint.Open(folder.Path);
        StateDicts.AssertEqual(large, read);
    }

    [Fact]
    public void Write_AnyTensorsAndShardLimit_ReadBackEqual()
    {
        using var folder = new TemporaryFolder();
        var dtypes = Enum.GetValues<DType>();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(50), Prop.ForAll<PositiveInt, PositiveInt, byte[]>((seed, limit, sizes) =>
        {
            var infos = sizes.Take(12).Select((size, i) => new TensorInfo($"t{i}", dtypes[(seed.Get + size + i) % dtypes.Length], [8, size % 4, size / 16])).ToArray();
            var model = StateDicts.Random(seed.Get, infos);
            CheckpointWriter.Write(model, folder.Path, new CheckpointWriterOptions { MaxShardBytes = limit.Get * 10, Overwrite = true });
            using var read = Checkpoint.Open(folder.Path);
            StateDicts.AssertEqual(model, read);
            Assert.DoesNotContain(folder.Names, n => n.EndsWith(".tmp", StringComparison.Ordinal));
        }));
    }

    [Fact]
    public void Write_SmallModel_HasThePinnedBytes()
    {
        using var folder = new TemporaryFolder();
        var model = new StateDict();
        model.Add(new HostTensor(new TensorInfo("h", DType.BF16, [1]), [0x80, 0x3F]));
        model.Add(HostTensor.FromFloat32("w", [2], [1f, -2f]));
        CheckpointWriter.Write(model, folder.Path, new CheckpointWriterOptions { Metadata = new Dictionary<string, string> { ["made"] = "test" } });
        var bytes = File.ReadAllBytes(folder["model.safetensors"]);
        Assert.Equal([0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0x80, 0x3F], bytes[4096..]);
        Assert.Equal("e318b5969b80161fd23b50e88e48f47c1d949cba867cfaa7c452bd7a6e4f3b41", FileHasher.Sha256(folder["model.safetensors"]));
    }

    [Fact]
    public void Write_SameTensorsInAnotherOrder_GivesTheSameBytes()
    {
        using var folder = new TemporaryFolder();
        var reversed = new StateDict();
        foreach (var tensor in Sample.Tensors.Reverse())
            reversed.Add(Sample[tensor.Name]);
        CheckpointWriter.Write(Sample, folder["a"], Sharded);
        CheckpointWriter.Write(reversed, folder["b"], Sharded);
        foreach (var path in Directory.EnumerateFiles(folder["a"]))
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(folder["b"], Path.GetFileName(path))));
    }

    [Fact]
    public void Write_FolderWithWeights_IsRefusedUnlessAsked()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path, Sharded);
        var before = Snapshot(folder);
        var error = Assert.Throws<IOException>(() => CheckpointWriter.Write(Sample, folder.Path));
        Assert.Contains("model-00001-of-00003.safetensors", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Snapshot(folder));
    }

    [Fact]
    public void Write_OverShards_RemovesTheEarlierShardsAndIndex()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path, Sharded);
        File.WriteAllText(folder["notes.txt"], "mine");
        CheckpointWriter.Write(Sample, folder.Path, Overwriting);
        Assert.Equal(["model.safetensors", "notes.txt"], folder.Names);
        CheckpointWriter.Write(Sample, folder.Path, Sharded with { Overwrite = true });
        Assert.Equal(5, folder.Names.Length);
        Assert.DoesNotContain("model.safetensors", folder.Names);
    }

    [Fact]
    public void Write_OverTheFileThatIsRead_KeepsItsContent()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        using (var source = Checkpoint.Open(folder.Path))
            CheckpointWriter.Write(source, folder.Path, Sharded with { Overwrite = true });
        using var read = Checkpoint.Open(folder.Path);
        StateDicts.AssertEqual(Sample, read);
    }

    [Fact]
    public void Write_Manifest_IsPartOfTheSameOutput()
    {
        using var folder = new TemporaryFolder();
        var options = Sharded with { Manifest = new ProvenanceManifest { Method = "test", Seed = 7 }, ExtraFiles = new Dictionary<string, ReadOnlyMemory<byte>> { ["config.json"] = "{}"u8.ToArray() } };
        CheckpointWriter.Write(Sample, folder["model"], options);
        var manifest = ProvenanceManifest.Read(folder["model"]);
        Assert.Equal(Directory.GetFiles(folder["model"]).Select(f => Path.GetFileName(f)).Where(n => n != ProvenanceManifest.FileName).Order(StringComparer.Ordinal), manifest.Outputs.Select(o => o.Name).Order(StringComparer.Ordinal));
        Assert.Empty(ManifestVerifier.Verify(folder["model"]));
        using (var read = Checkpoint.Open(folder["model"]))
            Assert.Equal("7", read.Metadata["finemixing.seed"]);

        // What an edited manifest says about method and seed is not what the weights say.
        File.WriteAllBytes(Path.Combine(folder["model"], ProvenanceManifest.FileName), (manifest with { Seed = 8 }).ToBytes());
        var mismatches = ManifestVerifier.Verify(folder["model"]);
        Assert.Equal(3, mismatches.Count);
        Assert.All(mismatches, m => Assert.Contains("finemixing.seed '7' where the manifest says '8'", m, StringComparison.Ordinal));
    }

    [Fact]
    public void Write_Cancelled_LeavesTheTargetUntouched()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        var before = Snapshot(folder);
        // The sample has six tensors that are read.
        for (var stop = 0; stop < 6; stop++)
        {
            using var cancellation = new CancellationTokenSource();
            using var source = new InterferingCheckpoint(Sample, stop, cancellation.Cancel);
            Assert.Throws<OperationCanceledException>(() => CheckpointWriter.Write(source, folder.Path, Sharded with { Overwrite = true }, cancellation.Token));
            Assert.Equal(before, Snapshot(folder));
        }
    }

    [Fact]
    public void Write_SourceFails_LeavesNothingBehind()
    {
        using var folder = new TemporaryFolder();
        using var source = new InterferingCheckpoint(Sample, 3, () => throw new CheckpointFormatException("truncated"));
        Assert.Throws<CheckpointFormatException>(() => CheckpointWriter.Write(source, folder["new"], Sharded));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Write_DiskFull_IsAnIOErrorAndLeavesTheTargetUntouched()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "This system has no /dev/full.");
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        var before = Snapshot(folder);
        var options = Overwriting with { CreateFile = (_, _) => File.OpenHandle("/dev/full", FileMode.Open, FileAccess.Write) };
        var error = Assert.ThrowsAny<IOException>(() => CheckpointWriter.Write(Sample, folder.Path, options));
        Assert.Contains("space", error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(before, Snapshot(folder));
    }

    [Fact]
    public void Write_MoreThanTheDiskHolds_IsRefusedBeforeWriting()
    {
        using var folder = new TemporaryFolder();
        using var huge = new InterferingCheckpoint(new TensorInfo("w", DType.U8, [1L << 44]));
        Assert.ThrowsAny<IOException>(() => CheckpointWriter.Write(huge, folder.Path, new CheckpointWriterOptions { MaxShardBytes = 1L << 45 }));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Write_TargetIsAFolder_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["model.safetensors"]);
        Assert.Throws<IOException>(() => CheckpointWriter.Write(Sample, folder.Path, Overwriting));
        Assert.Equal(["model.safetensors"], folder.Names);
    }

    [Fact]
    public void Write_SourceChangedMeanwhile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder["in"]);
        using var source = Checkpoint.Open(folder["in"]);
        TestFiles.Truncate(folder.PathOf("in", "model.safetensors"), 4100);
        Assert.Throws<CheckpointFormatException>(() => CheckpointWriter.Write(source, folder["out"]));
        Assert.Equal(["in"], folder.Names);
    }

    [Fact]
    public void Write_OtherFiles_AreCopiedButNoWeightsAndNoManifest()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["in"]);
        foreach (var name in new[] { "config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "finemixing.json", "x.tmp", "tf_model.h5", "rust_model.ot", "MODEL.SAFETENSORS", "model.ckpt.data-00000-of-00001", "model.safetensors.bak", "weights.npz", "modeling_x.py", "run.sh", "adapter_config.json" })
            File.WriteAllText(folder.PathOf("in", name), name);
        File.WriteAllText(folder.PathOf("in", "empty.txt"), "");
        CheckpointWriter.Write(Sample, folder["out"], new CheckpointWriterOptions { CopyOtherFilesFrom = folder["in"] + Path.DirectorySeparatorChar });
        Assert.Equal(["config.json", "empty.txt", "model.safetensors", "vocab.txt"], Directory.EnumerateFiles(folder["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("vocab.txt", File.ReadAllText(folder.PathOf("out", "vocab.txt")));
    }

    [Theory]
    [InlineData("""{ "hidden_size": 2 }""", 3, """["LABEL_0","LABEL_1","LABEL_2"]""")]
    [InlineData("""{ "num_labels": 2, "x": "é" }""", 3, """["LABEL_0","LABEL_1","LABEL_2"]""")]
    [InlineData("""{ "id2label": { "0": "bad", "1": "good" } }""", 3, """["bad","good","LABEL_2"]""")]
    [InlineData("""{ "id2label": { "0": "bad", "1": "good" } }""", 1, """["bad"]""")]
    [InlineData("""{ "id2label": { "0": "bad", "1": "good" }, "num_labels": 7 }""", 2, null)]
    [InlineData("""{ "num_labels": 3 }""", 3, null)]
    [InlineData("""{ "num_labels": """, 3, null)]
    [InlineData("[1]", 3, null)]
    public void Write_HeadOfOtherClassesThanTheConfigurationCopied_NamesAsManyLabels(string config, int classes, string? labels)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["in"]);
        File.WriteAllText(folder.PathOf("in", "config.json"), config);
        var weights = new StateDict();
        weights.Add(HostTensor.FromFloat32("classifier.weight", [classes, 2], new float[classes * 2]));
        CheckpointWriter.Write(weights, folder["out"], new CheckpointWriterOptions { CopyOtherFilesFrom = folder["in"] });
        var written = File.ReadAllText(folder.PathOf("out", "config.json"));
        if (labels is null)
        {
            Assert.Equal(config, written);
            return;
        }

        var root = System.Text.Json.Nodes.JsonNode.Parse(written)!.AsObject();
        Assert.Equal(labels, "[" + string.Join(',', Enumerable.Range(0, classes).Select(i => root["id2label"]![$"{i}"]!.ToJsonString())) + "]");
        Assert.Equal(Enumerable.Range(0, classes), root["label2id"]!.AsObject().Select(p => p.Value!.GetValue<int>()));
        Assert.False(root.ContainsKey("num_labels"));
        Assert.Equal(config.Contains('é', StringComparison.Ordinal), written.Contains('é', StringComparison.Ordinal));
    }

    [Fact]
    public void Write_FolderReachedThroughALink_FollowsTheLinksOfTheCache()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.PathOf("hub", "blobs"));
        Directory.CreateDirectory(folder.PathOf("hub", "snapshots", "abc"));
        File.WriteAllText(folder.PathOf("hub", "blobs", "1"), "{}");
        File.CreateSymbolicLink(folder.PathOf("hub", "snapshots", "abc", "config.json"), Path.Combine("..", "..", "blobs", "1"));
        Directory.CreateSymbolicLink(folder["link"], folder.PathOf("hub", "snapshots", "abc"));
        CheckpointWriter.Write(Sample, folder["out"], new CheckpointWriterOptions { CopyOtherFilesFrom = folder["link"] });
        Assert.Equal("{}", File.ReadAllText(folder.PathOf("out", "config.json")));
    }

    [Fact]
    public void Write_OtherFileIsALinkOutOfItsFolder_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["in"]);
        File.WriteAllText(folder["secret"], "secret");
        File.CreateSymbolicLink(folder.PathOf("in", "config.json"), folder["secret"]);
        Assert.Throws<CheckpointFormatException>(() => CheckpointWriter.Write(Sample, folder["out"], new CheckpointWriterOptions { CopyOtherFilesFrom = folder["in"] }));
        Assert.False(Directory.Exists(folder["out"]));
    }

    private static string[] Snapshot(TemporaryFolder folder) => [.. folder.Names.Select(n => $"{n} {FileHasher.Sha256(folder[n])}")];

    /// <summary>A checkpoint that does something at its n-th read; or one whose data would be endless zeros.</summary>
    private sealed class InterferingCheckpoint : ICheckpoint
    {
        private readonly StateDict _inner;
        private readonly Action? _interfere;
        private int _readsLeft;

        public InterferingCheckpoint(StateDict inner, int readsBefore, Action interfere)
        {
            _inner = inner;
            _interfere = interfere;
            _readsLeft = readsBefore;
            Tensors = inner.Tensors;
        }

        public InterferingCheckpoint(TensorInfo tensor)
        {
            _inner = new StateDict();
            Tensors = [tensor];
        }

        public string Location => "test";

        public IReadOnlyList<string> Files => [];

        public IReadOnlyList<TensorInfo> Tensors { get; }

        public IReadOnlyDictionary<string, string> Metadata => _inner.Metadata;

        public bool TryGetTensor(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TensorInfo? tensor) => _inner.TryGetTensor(name, out tensor);

        public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
        {
            if (_interfere is null)
                return;
            if (_readsLeft-- == 0)
                _interfere();
            _inner.Read(tensor, byteOffset, destination);
        }

        public void Dispose() => _inner.Dispose();
    }
}
