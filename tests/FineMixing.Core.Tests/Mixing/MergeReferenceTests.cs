using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

/// <summary>Every reference merge is met to 1e-6.</summary>
public class MergeReferenceTests
{
    [Theory]
    [InlineData("arcee_fusion")]
    [InlineData("breadcrumbs")]
    [InlineData("karcher")]
    [InlineData("linear")]
    [InlineData("linear-not-normalized")]
    [InlineData("linear-of-3")]
    [InlineData("model_stock")]
    [InlineData("multislerp")]
    [InlineData("nearswap")]
    [InlineData("nuslerp")]
    [InlineData("sce")]
    [InlineData("slerp")]
    [InlineData("task_arithmetic")]
    [InlineData("ties")]
    [InlineData("ties-not-normalized")]
    public void Mix_ReferenceMerge_IsMet(string reference)
    {
        var (expected, mixed) = Merge(reference);
        Assert.Equal(expected.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal), mixed.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal));
        Assert.All(expected.Tensors, t => Assert.InRange(expected[t.Name].ToFloat32().Zip(mixed[t.Name].ToFloat32(), (x, y) => Math.Abs(x - y)).Max(), 0, 1e-6f));
    }

    private static (StateDict Expected, StateDict Mixed) Merge(string reference)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("oracle", "merge", reference + ".json")));
        var configuration = json.RootElement;
        var baseName = configuration.TryGetProperty("base_model", out var b) ? b.GetString() : null;
        var models = configuration.GetProperty("models").EnumerateArray().Where(m => m.GetProperty("model").GetString() != baseName).ToList();
        var dicts = models.Select(m => Load(m.GetProperty("model").GetString()!)).ToList();
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

        var mixer = WeightMixers.Get(configuration.GetProperty("merge_method").GetString()!, parameters);
        var mixed = WeightMixing.Mix(mixer, dicts[0], Load(baseName ?? "base"), new MixingOptions(), [.. dicts.Skip(1)]).Weights;

        using var expected = Checkpoint.Open(SharedData.Path("oracle", "merge", reference + ".safetensors"));
        return (StateDict.Load(expected), mixed);

        JsonElement? Common(string name) => common.ValueKind == JsonValueKind.Object && common.TryGetProperty(name, out var value) ? value : null;

        double[]? PerModel(string name) => models[0].TryGetProperty("parameters", out var first) && first.TryGetProperty(name, out _)
            ? [.. models.Select(m => m.GetProperty("parameters").GetProperty(name).GetDouble())]
            : null;
    }

    private static StateDict Load(string name)
    {
        using var checkpoint = Checkpoint.Open(SharedData.Path("oracle", "merge", name));
        return StateDict.Load(checkpoint);
    }
}
