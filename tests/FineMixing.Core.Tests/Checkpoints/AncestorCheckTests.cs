using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

public class AncestorCheckTests
{
    [Theory]
    [InlineData("sst2-word")]
    [InlineData("sst2-sentence")]
    [InlineData("sst2-ep")]
    public void Run_RealSuspectAndItsBase_IsPlausible(string name)
    {
        using var suspect = Checkpoint.Open(SharedData.Path("models", name));
        using var @base = Checkpoint.Open(SharedData.Path("models", "minilm-l6"));
        var check = AncestorCheck.Run(suspect, @base);
        check.ThrowIfImplausible();
        Assert.All(check.Layers, layer =>
        {
            Assert.InRange(layer.Cosine, 0.999, 1.000001);
            Assert.InRange(layer.RelativeDrift, 0.01, 0.05);
        });
        Assert.Contains("bert.encoder.layer.5", check.Layers.Select(l => l.Layer));
        Assert.DoesNotContain("classifier", check.Layers.Select(l => l.Layer));
        Assert.False(check.HasIdenticalMatrices);
    }

    [Fact]
    public void Run_RealSuspectAndBaseOfShuffledRows_IsImplausible()
    {
        using var suspect = Checkpoint.Open(SharedData.Path("models", "sst2-word"));
        using var original = Checkpoint.Open(SharedData.Path("models", "minilm-l6"));
        var shuffled = Transform(original, (values, width) =>
        {
            var rows = values.Chunk(width).ToArray();
            new Random(1).Shuffle(rows);
            return [.. rows.SelectMany(r => r)];
        });
        var check = AncestorCheck.Run(suspect, shuffled);
        Assert.False(check.IsPlausible);
        Assert.InRange(check.MedianCosine, -0.1, 0.1);
    }

    [Fact]
    public void Run_TwoInitialisations_IsImplausibleAndNamesTheLayers()
    {
        var check = AncestorCheck.Run(Model(1), Model(2));
        var error = Assert.Throws<ArgumentException>(check.ThrowIfImplausible);
        Assert.Contains("encoder.layer.0", error.Message, StringComparison.Ordinal);
        Assert.Contains("encoder.layer.1", error.Message, StringComparison.Ordinal);
        Assert.InRange(check.Layers[0].RelativeDrift, 1.2, 1.6);
    }

    [Theory]
    [InlineData("sst2-word")]
    [InlineData("sst2-sentence")]
    public void Sample_RealSuspectAndItsBase_IsNearTheWhole(string name)
    {
        using var suspect = Checkpoint.Open(SharedData.Path("models", name));
        using var @base = Checkpoint.Open(SharedData.Path("models", "minilm-l6"));
        var (whole, sample) = (AncestorCheck.Run(suspect, @base), AncestorCheck.Sample(suspect, @base));
        Assert.Equal(whole.Layers.Select(l => l.Layer), sample.Layers.Select(l => l.Layer));
        Assert.Equal(whole.MedianCosine, sample.MedianCosine, 1e-3);
        Assert.True(sample.Layers.Sum(l => l.ElementCount) < whole.Layers.Sum(l => l.ElementCount) / 10);
    }

    [Fact]
    public void Sample_UnrelatedMatrices_IsImplausible()
    {
        StateDict Matrix(int seed)
        {
            var random = new Random(seed);
            var model = new StateDict();
            model.Add(HostTensor.FromFloat32("encoder.weight", [401, 299], [.. Enumerable.Range(0, 401 * 299).Select(_ => random.NextSingle() - 0.5f)]));
            return model;
        }

        var check = AncestorCheck.Sample(Matrix(1), Matrix(2));
        Assert.InRange(check.MedianCosine, -0.05, 0.05);
        Assert.Equal(4 * 4096, Assert.Single(check.Layers).ElementCount);
    }

    [Fact]
    public void Run_KnownValues_GivesDriftAndCosine()
    {
        StateDict suspect = new(), @base = new();
        suspect.Add(HostTensor.FromFloat32("a.weight", [1, 2], [3, 4]));
        @base.Add(HostTensor.FromFloat32("a.weight", [1, 2], [4, 3]));
        var layer = Assert.Single(AncestorCheck.Run(suspect, @base).Layers);
        Assert.Equal("a", layer.Layer);
        Assert.Equal(Math.Sqrt(2) / 5, layer.RelativeDrift, 1e-6);
        Assert.Equal(24.0 / 25, layer.Cosine, 1e-6);
    }

    [Fact]
    public void Run_SameWeights_HasIdenticalMatrices() => Assert.True(AncestorCheck.Run(Model(1), Model(1)).HasIdenticalMatrices);

    [Fact]
    public void Run_MatrixWithoutElements_IsNoEvidence()
    {
        static StateDict Empty(float value)
        {
            var model = new StateDict();
            model.Add(HostTensor.FromFloat32("a", [2], [value, value]));
            model.Add(HostTensor.FromFloat32("b", [3, 0], []));
            return model;
        }

        var check = AncestorCheck.Run(Empty(1), Empty(2));
        Assert.Empty(check.Layers);
        Assert.False(check.IsPlausible);
        Assert.False(check.HasIdenticalMatrices);
    }

    [Fact]
    public void Run_NaNInTheBase_IsImplausible()
    {
        StateDict suspect = new(), @base = new();
        suspect.Add(HostTensor.FromFloat32("a.weight", [1, 2], [3, 4]));
        @base.Add(HostTensor.FromFloat32("a.weight", [1, 2], [float.NaN, 4]));
        Assert.False(AncestorCheck.Run(suspect, @base).IsPlausible);
    }

    private static StateDict Model(int seed)
    {
        var random = new Random(seed);
        var model = new StateDict();
        for (var layer = 0; layer < 2; layer++)
        {
            model.Add(HostTensor.FromFloat32($"encoder.layer.{layer}.dense.weight", [40, 30], [.. Enumerable.Range(0, 1200).Select(_ => random.NextSingle() - 0.5f)]));
            model.Add(HostTensor.FromFloat32($"encoder.layer.{layer}.key.bias", [1], [random.NextSingle()]));
        }

        return model;
    }

    private static StateDict Transform(ICheckpoint checkpoint, Func<float[], int, float[]> transform)
    {
        var result = StateDict.Load(checkpoint);
        foreach (var tensor in result.Tensors.Where(t => t.DType == DType.F32 && t.Shape.Length == 2).ToArray())
            result.Replace(HostTensor.FromFloat32(tensor.Name, tensor.Shape, transform(result[tensor.Name].ToFloat32(), (int)tensor.Shape[1])));
        return result;
    }
}
