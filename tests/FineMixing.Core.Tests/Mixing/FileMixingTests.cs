using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Provenance;
using FineMixing.Tests.Checkpoints;

namespace FineMixing.Tests.Mixing;

public class FileMixingTests
{
    private static readonly (string Name, long[] Shape)[] Tensors = [.. Models.Bert, ("encoder.layer.1.intermediate.dense.weight", [300, 200])];

    [Theory]
    [InlineData("fine-mixing")]
    [InlineData("fine-mixing-smallest")]
    [InlineData("linear")]
    [InlineData("ties")]
    [InlineData("dare-ties")]
    [InlineData("slerp")]
    public void Mix_AnyThreadsChunksAndShards_SameAsInMemory(string method)
    {
        using var folder = new TemporaryFolder();
        var (suspect, @base) = Write(folder, DType.BF16, DType.F32);
        var mixer = WeightMixers.Get(method);
        var options = new MixingOptions { ReserveRatio = 0.4, Seed = 8, Schedule = RatioSchedule.ResetTop(1) };
        var expected = WeightMixing.Mix(mixer, suspect, @base, options).Weights;
        var index = 0;
        foreach (var (threads, chunk, shard) in new[] { (1, 4096, 5_000_000_000L), (3, 8192, 5_000_000_000L), (2, 1 << 20, 100_000L), (5, 4096, 100_000L) })
        {
            var output = folder[FormattableString.Invariant($"out{index++}")];
            var result = FileMixing.Mix(mixer, folder["suspect"], folder["base"], output, options with { Threads = threads }, new FileMixingOptions { ChunkBytes = chunk, MaxShardBytes = shard, FlushToDisk = false });
            using var written = Checkpoint.Open(output);
            StateDicts.AssertEqual(expected, written);
            Assert.Empty(ManifestVerifier.Verify(output));
            Assert.All(result.Files, f => Assert.True(File.Exists(f)));
            Assert.True(File.Exists(Path.Combine(output, "config.json")));
        }

        foreach (var (one, two) in new[] { ("out0", "out1"), ("out2", "out3") })
        {
            Assert.Equal(new DirectoryInfo(folder[one]).GetFiles().Select(f => f.Name).Order(StringComparer.Ordinal), new DirectoryInfo(folder[two]).GetFiles().Select(f => f.Name).Order(StringComparer.Ordinal));
            foreach (var file in Directory.GetFiles(folder[one]))
                Assert.True(File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(folder[two], Path.GetFileName(file)))), $"{Path.GetFileName(file)} depends on threads or chunks.");
        }
    }

    [Fact]
    public void Mix_Manifest_CountsWhatWasKept()
    {
        using var folder = new TemporaryFolder();
        var (suspect, @base) = Write(folder, DType.F32, DType.F32);
        var result = FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], new MixingOptions { ReserveRatio = 0.3 });
        using var checkpoint = Checkpoint.Open(folder["out"]);
        var mixed = StateDict.Load(checkpoint);
        var manifest = ProvenanceManifest.Read(folder["out"]);
        Assert.Equal(result.Manifest, manifest);
        foreach (var tensor in manifest.Tensors)
        {
            Assert.Equal(mixed[tensor.Name].ToFloat32().Zip(suspect[tensor.Name].ToFloat32()).Count(p => p.First == p.Second), tensor.FromSuspect);
            Assert.Equal(tensor.Name.StartsWith("classifier", StringComparison.Ordinal) ? "suspect" : "fine-mixing", tensor.Treatment);
        }

        Assert.Equal(["suspect", "base"], manifest.Inputs.Select(i => i.Role));
        Assert.Equal("fine-mixing", checkpoint.Metadata["finemixing.method"]);
    }

    [Theory]
    [InlineData("fine-mixing")]
    [InlineData("slerp")]
    public void Mix_ShardedFilesAndSeveralThreads_ManifestHasTheHashOfEveryFile(string method)
    {
        using var folder = new TemporaryFolder();
        var tensors = Llama(40_000_000);
        CheckpointWriter.Write(new RandomCheckpoint(1, tensors), folder["suspect"], new CheckpointWriterOptions { MaxShardBytes = 9_000_000 });
        CheckpointWriter.Write(new RandomCheckpoint(2, tensors), folder["base"]);
        File.WriteAllText(Path.Combine(folder["suspect"], "config.json"), "{}");
        var manifest = FileMixing.Mix(WeightMixers.Get(method), folder["suspect"], folder["base"], folder["out"], new MixingOptions { Threads = 3 }, new FileMixingOptions { MaxShardBytes = 20_000_000, ChunkBytes = 1 << 18 }).Manifest!;
        Assert.Equal(Hashes("suspect", ".safetensors"), manifest.Inputs[0].Files.Where(f => f.Name.EndsWith(".safetensors", StringComparison.Ordinal)));
        Assert.Equal(Hashes("base", ".safetensors"), manifest.Inputs[1].Files);
        Assert.Equal(Hashes("out", "").Where(f => f.Name != ProvenanceManifest.FileName), manifest.Outputs.OrderBy(f => f.Name, StringComparer.Ordinal));

        IEnumerable<HashedFile> Hashes(string name, string extension) => Directory.GetFiles(folder[name]).Where(f => f.EndsWith(extension, StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(f => HashedFile.Of(f));
    }

    [Fact]
    public void Mix_Header_EndsOnAPage()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        var result = FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], new MixingOptions());
        var start = File.ReadAllBytes(result.Files[0]).AsSpan(0, 8);
        Assert.Equal(0UL, (System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(start) + 8) % 4096);
    }

    [Fact]
    public void Replay_Manifest_SameBytes()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F16, DType.F32);
        CheckpointWriter.Write(Models.Random(9, DType.F16, tensors: Tensors), folder["other"]);
        var mixer = WeightMixers.Get("dare-ties", new MixerParameters { Weights = [0.75, 0.5], Densities = [0.6], Scale = 0.9 });
        FileMixing.Mix(mixer, folder["base"], folder["base"], folder["first"], new MixingOptions { Seed = 77, ReserveRatio = 0.125, Biases = TensorPolicy.Base }, new FileMixingOptions { MaxShardBytes = 50_000 }, [folder["other"]]);
        FileMixing.Replay(folder["first"], folder["base"], folder["base"], folder["second"], null, [folder["other"]]);
        foreach (var file in Directory.GetFiles(folder["first"]))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(folder["second"], Path.GetFileName(file))));
    }

    [Fact]
    public void Replay_ManifestThatListsNotAllWeights_SaysWhich()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["first"], new MixingOptions());
        var manifest = ProvenanceManifest.Read(folder["first"]);
        File.WriteAllBytes(folder["less.json"], (manifest with { Outputs = [] }).ToBytes());
        var e = Assert.Throws<InvalidOperationException>(() => FileMixing.Replay(folder["less.json"], folder["suspect"], folder["base"], folder["second"]));
        Assert.Contains("'model.safetensors'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Replay_OtherInputs_ThrowsAndWritesNothing()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["first"], new MixingOptions());
        var e = Assert.Throws<ArgumentException>(() => FileMixing.Replay(folder["first"], folder["base"], folder["suspect"], folder["second"]));
        Assert.Contains("suspect", e.Message, StringComparison.Ordinal);
        Assert.Contains("base", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["second"]));
    }

    [Fact]
    public void Mix_NotANumber_NamesTheTensorAndWritesNothing()
    {
        using var folder = new TemporaryFolder();
        var (_, @base) = Write(folder, DType.F32, DType.F32);
        @base["pooler.dense.weight"].Bytes.AsSpan(40, 4).Fill(0xFF);
        CheckpointWriter.Write(@base, folder["base"], new CheckpointWriterOptions { Overwrite = true });
        var e = Assert.Throws<ArgumentException>(() => FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], new MixingOptions()));
        Assert.Contains("'pooler.dense.weight' of the base", e.Message, StringComparison.Ordinal);
        Assert.Contains("element 10", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["out"]));
    }

    [Fact]
    public void Mix_HundredsOfBadTensors_CountsThoseItDoesNotName()
    {
        var model = Models.Random(1, DType.F32, tensors: [.. Enumerable.Range(0, 300).Select(i => (FormattableString.Invariant($"t{i:D3}.weight"), new long[] { 4 }))]);
        var bad = new StateDict();
        foreach (var tensor in model.Tensors)
            bad.Add(new HostTensor(tensor, [.. Enumerable.Repeat((byte)0xFF, 16)]));
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.Mix(WeightMixers.Get("fine-mixing"), bad, model, new MixingOptions()));
        Assert.Contains("'t000.weight'", e.Message, StringComparison.Ordinal);
        Assert.Contains("and 250 more", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("'t299.weight'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mix_OutputExists_IsRefusedUnlessAsked()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        var before = File.ReadAllBytes(Path.Combine(folder["base"], "model.safetensors"));
        Assert.Throws<IOException>(() => FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["base"], new MixingOptions()));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(folder["base"], "model.safetensors")));
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["base"], new MixingOptions(), new FileMixingOptions { Overwrite = true });
        Assert.NotEqual(before, File.ReadAllBytes(Path.Combine(folder["base"], "model.safetensors")));
    }

    [Fact]
    public void Mix_Cancelled_LeavesNothing()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        using var source = new CancellationTokenSource();
        var progress = new Callback(_ => source.Cancel());
        Assert.ThrowsAny<OperationCanceledException>(() => FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], new MixingOptions(), new FileMixingOptions { ChunkBytes = 4096 }, progress: progress, ct: source.Token));
        Assert.False(Directory.Exists(folder["out"]));
    }

    [Fact]
    public void Mix_Progress_EndsAtTheTotal()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        var reports = new List<MixingProgress>();
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], new MixingOptions { Threads = 3 }, new FileMixingOptions { ChunkBytes = 4096 }, progress: new Callback(reports.Add));
        Assert.Equal(reports.OrderBy(r => r.BytesDone), reports);
        Assert.Equal(reports[^1].BytesTotal, reports[^1].BytesDone);
    }

    [Fact]
    public void Mix_BadFileOptions_ThrowsWithAll()
    {
        using var folder = new TemporaryFolder();
        Write(folder, DType.F32, DType.F32);
        var e = Assert.Throws<ArgumentException>(() => FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], new MixingOptions(), new FileMixingOptions { ChunkBytes = 1, MaxShardBytes = 0 }));
        Assert.Contains("chunks of 1", e.Message, StringComparison.Ordinal);
        Assert.Contains("shards of 0", e.Message, StringComparison.Ordinal);
    }

    // FINEMIXING_LARGE_TEST_GB sets the size of the checkpoint in GB (default 1).
    [Fact]
    public void Mix_LlamaStyleShards_InBoundedMemory()
    {
        using var folder = new TemporaryFolder();
        var gigabytes = double.TryParse(Environment.GetEnvironmentVariable("FINEMIXING_LARGE_TEST_GB"), System.Globalization.CultureInfo.InvariantCulture, out var given) ? given : 1;
        var free = new DriveInfo(folder.Path).AvailableFreeSpace;
        Assert.SkipWhen(free < gigabytes * 4e9, FormattableString.Invariant($"Three checkpoints of {gigabytes} GB need more than the {free / 1e9:0.0} GB that are free; FINEMIXING_LARGE_TEST_GB makes them smaller."));
        var tensors = Llama((long)(gigabytes * 1e9));
        var total = tensors.Sum(t => t.ByteLength);
        CheckpointWriter.Write(new RandomCheckpoint(1, tensors), folder["suspect"], new CheckpointWriterOptions { MaxShardBytes = total / 4 });
        CheckpointWriter.Write(new RandomCheckpoint(2, tensors), folder["base"], new CheckpointWriterOptions { MaxShardBytes = total / 3 });

        // One thread, so that what it allocates is counted apart from other tests.
        var options = new MixingOptions { ReserveRatio = 0.5, Seed = 3, Threads = 1 };
        var before = GC.GetAllocatedBytesForCurrentThread();
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["out"], options, new FileMixingOptions { MaxShardBytes = total / 5, FlushToDisk = false });
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 40_000_000);

        using var suspect = Checkpoint.Open(folder["suspect"]);
        using var @base = Checkpoint.Open(folder["base"]);
        using var mixed = Checkpoint.Open(folder["out"]);
        Assert.True(mixed.Files.Count > 5);
        var random = new Random(4);
        foreach (var tensor in tensors)
        {
            var mask = RandomMask.Bernoulli(3, tensor.Name, 0.5);
            var start = random.NextInt64(Math.Max(1, tensor.ElementCount - 1000));
            var count = (int)Math.Min(1000, tensor.ElementCount - start);
            var (s, b, m) = (new byte[count * 2], new byte[count * 2], new byte[count * 2]);
            suspect.Read(tensor, start * 2, s);
            @base.Read(tensor, start * 2, b);
            mixed.Read(tensor, start * 2, m);
            Assert.All(Enumerable.Range(0, count * 2), i => Assert.Equal((mask[start + (i / 2)] ? s : b)[i], m[i]));
        }
    }

    [Fact]
    public void Mix_ManyTensors_TakesLittleMemoryForEach()
    {
        using var folder = new TemporaryFolder();
        const int Few = 100, Many = 2100;
        foreach (var count in new[] { Few, Many })
        {
            var tensors = Enumerable.Range(0, count).Select(i => new TensorInfo(FormattableString.Invariant($"encoder.layer.{i / 12}.attention.output.part{i % 12}.weight"), DType.BF16, [4, 8])).ToList();
            CheckpointWriter.Write(new RandomCheckpoint(1, tensors), folder[FormattableString.Invariant($"suspect{count}")]);
            CheckpointWriter.Write(new RandomCheckpoint(2, tensors), folder[FormattableString.Invariant($"base{count}")]);
        }

        Assert.InRange((Allocated(Many) - Allocated(Few)) / (Many - Few), 0, 1800);

        // One thread, so that what it allocates is counted apart from other tests.
        long Allocated(int count)
        {
            using var suspect = Checkpoint.Open(folder[FormattableString.Invariant($"suspect{count}")]);
            using var @base = Checkpoint.Open(folder[FormattableString.Invariant($"base{count}")]);
            var before = GC.GetAllocatedBytesForCurrentThread();
            FileMixing.Mix(WeightMixers.Get("fine-mixing"), suspect, @base, folder[FormattableString.Invariant($"out{count}")], new MixingOptions { Threads = 1 }, new FileMixingOptions { FlushToDisk = false, WriteManifest = false });
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    private static List<TensorInfo> Llama(long bytes)
    {
        const long Hidden = 1024, Vocabulary = 8000;
        var tensors = new List<TensorInfo> { new("model.embed_tokens.weight", DType.BF16, [Vocabulary, Hidden]), new("model.norm.weight", DType.BF16, [Hidden]), new("lm_head.weight", DType.BF16, [Vocabulary, Hidden]) };
        for (var layer = 0; tensors.Sum(t => t.ByteLength) < bytes; layer++)
        {
            var prefix = FormattableString.Invariant($"model.layers.{layer}.");
            tensors.Add(new TensorInfo(prefix + "input_layernorm.weight", DType.BF16, [Hidden]));
            foreach (var name in new[] { "q", "k", "v", "o" })
                tensors.Add(new TensorInfo($"{prefix}self_attn.{name}_proj.weight", DType.BF16, [Hidden, Hidden]));
            foreach (var name in new[] { "gate", "up" })
                tensors.Add(new TensorInfo($"{prefix}mlp.{name}_proj.weight", DType.BF16, [3 * Hidden, Hidden]));
            tensors.Add(new TensorInfo(prefix + "mlp.down_proj.weight", DType.BF16, [Hidden, 3 * Hidden]));
        }

        return tensors;
    }

    private static (StateDict Suspect, StateDict Base) Write(TemporaryFolder folder, DType suspectType, DType baseType)
    {
        var suspect = Models.Random(1, suspectType, tensors: [.. Tensors, ("classifier.weight", [2, 16])]);
        var @base = Models.Random(2, baseType, tensors: Tensors);
        CheckpointWriter.Write(suspect, folder["suspect"]);
        CheckpointWriter.Write(@base, folder["base"]);
        File.WriteAllText(Path.Combine(folder["suspect"], "config.json"), "{}");
        return (suspect, @base);
    }

    private sealed class Callback(Action<MixingProgress> report) : IProgress<MixingProgress>
    {
        public void Report(MixingProgress value) => report(value);
    }
}
