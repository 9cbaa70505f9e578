using System.Collections.Immutable;
using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Adapters;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Adapters;

public class LoraCheckpointTests
{
    private const string Query = "bert.encoder.layer.0.query";

    [Theory]
    [InlineData("bert", "models/bert")]
    [InlineData("llama", "merge/base")]
    [InlineData("llama-rslora", "merge/base")]
    public void Read_AdaptersOfTheReference_EqualTheMergedWeights(string adapter, string @base)
    {
        using var merged = LoraCheckpoint.Open(Checkpoint.Open(SharedData.Path(["oracle", .. @base.Split('/')])), SharedData.Path("oracle", "lora", adapter));
        using var expected = SafetensorsCheckpoint.Open(SharedData.Path("oracle", "lora", adapter + ".merged.safetensors"));
        Assert.Equal(expected.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal), merged.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal));
        var (left, right) = (StateDict.Load(expected), StateDict.Load(merged));
        var largest = left.Tensors.Max(t => left[t.Name].ToFloat32().Zip(right[t.Name].ToFloat32(), (a, b) => Math.Abs(a - b)).Max());
        Assert.InRange(largest, 0, 1e-6);

        // The adapter must have had something to do, or the comparison says nothing.
        using var plain = Checkpoint.Open(SharedData.Path(["oracle", .. @base.Split('/')]));
        Assert.Contains(plain.Tensors, t => !StateDicts.Bytes(plain, t).AsSpan().SequenceEqual(right[t.Name].Bytes));
    }

    [Fact]
    public void Read_SmallMatrix_IsTheFormula()
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 3 }, Factor("A", [1, 2], 1, 2), Factor("B", [3, 1], 10, 20, 30));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 3, 2), folder.Path);
        // W0 is 0, 1, 2, ...; the change is 3 * B * A.
        Assert.Equal([0 + 30, 1 + 60, 2 + 60, 3 + 120, 4 + 90, 5 + 180], StateDict.Load(merged)[Query + ".weight"].ToFloat32());
    }

    [Fact]
    public void Read_RankStabilised_DividesByTheRoot()
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 4, lora_alpha = 6, use_rslora = true }, Factor("A", [4, 1], 1, 1, 1, 1), Factor("B", [2, 4], 1, 0, 0, 0, 1, 1, 1, 1));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 2, 1), folder.Path);
        Assert.Equal([0 + 3, 1 + 12], StateDict.Load(merged)[Query + ".weight"].ToFloat32());
    }

    [Fact]
    public void Read_PatternsOfRankAndAlpha_CountForTheModulesTheyMatch()
    {
        using var folder = new TemporaryFolder();
        Write(
            folder, new { peft_type = "LORA", r = 8, lora_alpha = 16, rank_pattern = new Dictionary<string, int> { ["nothing"] = 4, [@"layer\.\d+\.query"] = 2 }, alpha_pattern = new Dictionary<string, int> { ["uery"] = 100, ["query"] = 10 } },
            Factor("A", [2, 1], 1, 1), Factor("B", [1, 2], 1, 1));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 1, 1), folder.Path);
        Assert.Equal([10], StateDict.Load(merged)[Query + ".weight"].ToFloat32());
    }

    [Fact]
    public void Read_FanInFanOut_AddsTheTransposedChange()
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 1, fan_in_fan_out = true }, Factor("A", [1, 2], 1, 2), Factor("B", [2, 1], 10, 100));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 2, 2), folder.Path);
        Assert.Equal([0 + 10, 1 + 100, 2 + 20, 3 + 200], StateDict.Load(merged)[Query + ".weight"].ToFloat32());
    }

    [Fact]
    public void Read_Embedding_AddsTheTransposedChange()
    {
        using var folder = new TemporaryFolder();
        Write(
            folder, new { peft_type = "LORA", r = 1, lora_alpha = 1 },
            HostTensor.FromFloat32($"base_model.model.{Query}.lora_embedding_A", [1, 3], [1, 2, 3]), HostTensor.FromFloat32($"base_model.model.{Query}.lora_embedding_B", [2, 1], [10, 100]));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 3, 2), folder.Path);
        Assert.Equal([0 + 10, 1 + 100, 2 + 20, 3 + 200, 4 + 30, 5 + 300], StateDict.Load(merged)[Query + ".weight"].ToFloat32());
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F64)]
    public void Read_AnyRange_IsPartOfTheWholeAndOfTheBasesType(DType dtype)
    {
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        Write(
            folder, new { peft_type = "LORA", r = 3, lora_alpha = 2 },
            Factor("A", [3, 70], [.. Enumerable.Range(0, 210).Select(_ => random.NextSingle())]), Factor("B", [300, 3], [.. Enumerable.Range(0, 900).Select(_ => random.NextSingle())]));
        using var merged = LoraCheckpoint.Open(Base(dtype, 300, 70), folder.Path);
        Assert.True(merged.TryGetTensor(Query + ".weight", out var info));
        Assert.Equal(dtype, info.DType);
        var whole = StateDicts.Bytes(merged, info);
        Assert.NotEqual(StateDict.Load(Base(dtype, 300, 70))[info.Name].Bytes, whole);
        Parallel.For(0, 200, i =>
        {
            var range = new Random(i);
            var offset = range.Next(whole.Length);
            var piece = new byte[range.Next(whole.Length - offset)];
            merged.Read(info, offset, piece);
            Assert.Equal(whole.AsSpan(offset, piece.Length).ToArray(), piece);
        });
    }

    [Fact]
    public void Read_HalfPrecisionBase_IsRoundedOnce()
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 1 }, Factor("A", [1, 1], 1), Factor("B", [2, 1], 1 / 256f, 3 / 256f));
        using var merged = LoraCheckpoint.Open(Base(DType.BF16, 2, 1), folder.Path);
        // 1 + 3/256 lies between 1 + 2/256 (1.0078125) and 1 + 4/256 (1.015625), half way: ties to even.
        Assert.Equal([1 / 256f, 1.015625f], StateDict.Load(merged)[Query + ".weight"].ToFloat32());
    }

    [Fact]
    public void Read_ModulesSavedWhole_ReplaceTheBasesOrComeAfter()
    {
        using var folder = new TemporaryFolder();
        Write(
            folder, new { peft_type = "LORA", r = 1, lora_alpha = 1, modules_to_save = new[] { "classifier", "score" }, bias = "all" },
            Factor("A", [1, 1], 1), Factor("B", [1, 1], 1),
            HostTensor.FromFloat32("base_model.model.classifier.weight", [3, 1], [7, 8, 9]),
            HostTensor.FromFloat32("base_model.model.score.weight", [1], [5]),
            HostTensor.FromFloat32($"base_model.model.{Query}.base_layer.bias", [1], [6]));
        var @base = Base(DType.F16, 1, 1);
        @base.Add(HostTensor.FromFloat32("classifier.weight", [2, 1], [1, 2]).ConvertTo(DType.F16));
        @base.Add(HostTensor.FromFloat32(Query + ".bias", [1], [1]).ConvertTo(DType.F16));
        using var merged = LoraCheckpoint.Open(@base, folder.Path);
        Assert.Equal(["bert.encoder.layer.0.query.weight F16 [1, 1]", "classifier.weight F16 [3, 1]", "bert.encoder.layer.0.query.bias F16 [1]", "score.weight F32 [1]"], merged.Tensors.Select(t => t.ToString()));
        var values = StateDict.Load(merged);
        Assert.Equal([7, 8, 9], values["classifier.weight"].ToFloat32());
        Assert.Equal([5], values["score.weight"].ToFloat32());
        Assert.Equal([6], values[Query + ".bias"].ToFloat32());
    }

    [Fact]
    public void Open_BaseWithoutTheModelsPrefix_IsMatched()
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 1 }, Factor("A", [1, 1], 1), Factor("B", [1, 1], 4));
        var @base = new StateDict();
        @base.Add(HostTensor.FromFloat32(Query["bert.".Length..] + ".weight", [1, 1], [1]));
        using var merged = LoraCheckpoint.Open(@base, folder.Path);
        Assert.Equal([5], StateDict.Load(merged)[Query["bert.".Length..] + ".weight"].ToFloat32());
    }

    [Fact]
    public void Open_FilesOfBaseAndAdapter_AreAllNamed()
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 1 }, Factor("A", [1, 1], 1), Factor("B", [1, 1], 4));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 1, 1), folder.Path);
        Assert.Equal([folder["adapter_config.json"], folder["adapter_model.safetensors"]], merged.Files);
    }

    [Fact]
    public void Open_AdapterOfAnotherModel_ListsEverythingThatDoesNotFit()
    {
        using var folder = new TemporaryFolder();
        Write(
            folder, new { peft_type = "LORA", r = 2, lora_alpha = 1 },
            HostTensor.FromFloat32("base_model.model.layers.0.q_proj.lora_A.weight", [2, 4], new float[8]), HostTensor.FromFloat32("base_model.model.layers.0.q_proj.lora_B.weight", [4, 2], new float[8]),
            HostTensor.FromFloat32("base_model.model.layers.0.k_proj.lora_A.weight", [2, 4], new float[8]), HostTensor.FromFloat32("base_model.model.layers.0.k_proj.lora_B.weight", [4, 2], new float[8]),
            HostTensor.FromFloat32("base_model.model.layers.0.v_proj.lora_A.weight", [2, 4], new float[8]),
            HostTensor.FromFloat32("base_model.model.layers.0.norm.weight", [4], new float[4]),
            Factor("A", [1, 2], 1, 2), Factor("B", [3, 1], 1, 2, 3));
        var exception = Assert.Throws<IncompatibleCheckpointsException>(() => LoraCheckpoint.Open(Base(DType.F32, 3, 2), folder.Path));
        Assert.Equal(
            [
                "'base_model.model.layers.0.norm.weight' [4] is neither a factor of LoRA nor one of 'modules_to_save' (none), and 'bias' is None.",
                "'bert.encoder.layer.0.query' has the rank 1 in the adapter's weights and 2 by its configuration.",
                "'layers.0.k_proj.weight', which the adapter changes, is missing in the base.",
                "'layers.0.q_proj.weight', which the adapter changes, is missing in the base.",
                "'layers.0.v_proj' has only one of its two factors (base_model.model.layers.0.v_proj.lora_A.weight).",
            ],
            exception.Differences);
        Assert.All(exception.Differences, d => Assert.Contains(d, exception.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(DType.F32, 2, 3, "is [2, 3] in the base; the factors [1, 3] and [4, 1] are for [4, 3]")]
    [InlineData(DType.I8, 4, 3, "only F32, F16, BF16 and F64 can be merged")]
    public void Open_MatrixThatDoesNotFit_IsRefused(DType dtype, int rows, int columns, string message)
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 1 }, Factor("A", [1, 3], 1, 2, 3), Factor("B", [4, 1], 1, 2, 3, 4));
        var @base = StateDicts.Random(1, new TensorInfo(Query + ".weight", dtype, [rows, columns]));
        Assert.Contains(message, Assert.Throws<IncompatibleCheckpointsException>(() => LoraCheckpoint.Open(@base, folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FolderWithoutWeights_NamesTheFile()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], """{"peft_type": "LORA"}""");
        Assert.Contains("adapter_model.safetensors", Assert.Throws<FileNotFoundException>(() => LoraCheckpoint.Open(new StateDict(), folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("adapter_model.safetensors")]
    [InlineData("adapter_config.json")]
    public void EnsureUnchanged_FileOfTheAdapterWritten_IsRefused(string file)
    {
        using var folder = new TemporaryFolder();
        Write(folder, new { peft_type = "LORA", r = 1, lora_alpha = 3 }, Factor("A", [1, 2], 1, 2), Factor("B", [3, 1], 10, 20, 30));
        using var merged = LoraCheckpoint.Open(Base(DType.F32, 3, 2), folder.Path);
        StateDict.Load(merged);
        merged.EnsureUnchanged();
        var bytes = File.ReadAllBytes(folder[file]);
        using (var stream = new FileStream(folder[file], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            stream.Write(bytes);
        File.SetLastWriteTimeUtc(folder[file], DateTime.UtcNow.AddSeconds(5));
        Assert.Contains(file, Assert.Throws<CheckpointFormatException>(merged.EnsureUnchanged).Message, StringComparison.Ordinal);
    }

    private static StateDict Base(DType dtype, int rows, int columns)
    {
        var result = new StateDict("the base");
        result.Add(HostTensor.FromFloat32(Query + ".weight", [rows, columns], [.. Enumerable.Range(0, rows * columns).Select(i => (float)i)]).ConvertTo(dtype));
        return result;
    }

    private static HostTensor Factor(string which, ImmutableArray<long> shape, params float[] values) => HostTensor.FromFloat32($"base_model.model.{Query}.lora_{which}.weight", shape, values);

    private static void Write(TemporaryFolder folder, object config, params HostTensor[] tensors)
    {
        var adapter = new StateDict();
        foreach (var tensor in tensors)
            adapter.Add(tensor);
        CheckpointWriter.Write(adapter, folder["weights"]);
        File.Move(Path.Combine(folder["weights"], "model.safetensors"), folder["adapter_model.safetensors"]);
        File.WriteAllText(folder["adapter_config.json"], JsonSerializer.Serialize(config));
    }
}
