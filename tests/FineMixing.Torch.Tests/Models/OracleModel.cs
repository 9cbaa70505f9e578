using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Tests;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Torch.Tests.Models;

/// <summary>A tiny reference model: its weights, the batch it was run on, and what another implementation computed.</summary>
internal sealed class OracleModel
{
    private OracleModel(ModelConfig config, StateDict weights, StateDict reference, JsonElement run)
    {
        (Config, Weights, Reference, Run) = (config, weights, reference, run);
    }

    public static TheoryData<string> Names => ["bert", "bert-3-labels-gelu-new", "bert-5-labels-relu"];

    public ModelConfig Config { get; }

    public StateDict Weights { get; }

    public StateDict Reference { get; }

    /// <summary>The reference AdamW run.</summary>
    public JsonElement Run { get; }

    public static OracleModel Open(string name)
    {
        var folder = SharedData.Path("oracle", "models", name);
        using var reference = Checkpoint.Open(Path.Combine(folder, "reference.safetensors"));
        using var weights = Checkpoint.Open(Path.Combine(folder, "model.safetensors"));
        var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "reference.json"))).RootElement.GetProperty("adamw");
        return new OracleModel(ModelConfig.FromFile(Path.Combine(folder, "config.json")), StateDict.Load(weights), StateDict.Load(reference), json);
    }

    public long[] Integers(string name)
    {
        var values = new long[Reference[name].Info.ElementCount];
        Buffer.BlockCopy(Reference[name].Bytes, 0, values, 0, Reference[name].Bytes.Length);
        return values;
    }

    public long[] Shape(string name) => [.. Reference[name].Info.Shape];

    public TorchSharp.torch.Tensor LongTensor(string name) => TorchSharp.torch.tensor(Integers(name), Shape(name));

    /// <summary>The batch as training inputs: rows without their padding.</summary>
    public ModelInput[] Inputs()
    {
        var (ids, mask, labels) = (Integers("input.input_ids"), Integers("input.attention_mask"), Integers("input.labels"));
        var types = Reference.TryGetTensor("input.token_type_ids", out _) ? Integers("input.token_type_ids") : new long[ids.Length];
        var tokens = (int)Shape("input.input_ids")[1];
        return [.. Enumerable.Range(0, labels.Length).Select(row =>
        {
            var length = (int)Enumerable.Range(0, tokens).Sum(i => mask[(row * tokens) + i]);
            int[] Row(long[] values) => [.. values.Skip(row * tokens).Take(length).Select(v => (int)v)];
            var target = new float[Config.LabelCount];
            target[labels[row]] = 1;
            return new ModelInput(new Encoding(Row(ids), Row(types)), target);
        })];
    }

    public static double MaxDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(a.Length, b.Length);
        var worst = 0.0;
        for (var i = 0; i < a.Length; i++)
            worst = Math.Max(worst, Math.Abs((double)a[i] - b[i]));
        return worst;
    }
}
