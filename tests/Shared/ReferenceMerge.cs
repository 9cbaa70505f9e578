using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Mixing;

namespace FineMixing.Tests;

/// <summary>A merge of the reference data: its models, the mixer its configuration describes, and its result.</summary>
internal sealed record ReferenceMerge(IWeightMixer Mixer, StateDict[] Models, StateDict Base, StateDict Expected)
{
    /// <summary>The names of all merges.</summary>
    public static TheoryData<string> Names { get; } =
    [
        "arcee_fusion", "breadcrumbs", "karcher", "linear", "linear-not-normalized", "linear-of-3", "model_stock", "multislerp", "nearswap", "nuslerp", "sce", "slerp", "task_arithmetic", "ties", "ties-not-normalized",
    ];

    public static ReferenceMerge Read(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("oracle", "merge", name + ".json")));
        var configuration = json.RootElement;
        var baseName = configuration.TryGetProperty("base_model", out var b) ? b.GetString() : null;
        var models = configuration.GetProperty("models").EnumerateArray().Where(m => m.GetProperty("model").GetString() != baseName).ToList();
        var common = configuration.TryGetProperty("parameters", out var p) ? p : default;
        var parameters = new MixerParameters
        {
            Weights = PerModel("weight"),
            Densities = PerModel("density"),
            Gammas = PerModel("gamma"),
            Normalize = Common("normalize")?.GetBoolean(),
            Interpolation = Common("t")?.GetDouble(),
            SelectTopK = Common("select_topk")?.GetDouble(),
        };

        return new ReferenceMerge(
            WeightMixers.Get(configuration.GetProperty("merge_method").GetString()!, parameters),
            [.. models.Select(m => Load(m.GetProperty("model").GetString()!))],
            Load(baseName ?? "base"),
            Load(name + ".safetensors"));

        JsonElement? Common(string key) => common.ValueKind == JsonValueKind.Object && common.TryGetProperty(key, out var value) ? value : null;

        double[]? PerModel(string key) => models[0].TryGetProperty("parameters", out var first) && first.TryGetProperty(key, out _)
            ? [.. models.Select(m => m.GetProperty("parameters").GetProperty(key).GetDouble())]
            : null;
    }

    private static StateDict Load(string name)
    {
        using var checkpoint = Checkpoint.Open(SharedData.Path("oracle", "merge", name));
        return StateDict.Load(checkpoint);
    }
}
