using FineMixing.Checkpoints;
using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

/// <summary>Models that point in opposite directions, say nothing, or come in double precision.</summary>
public class MixerEdgeTests
{
    [Theory]
    [InlineData(0.3f, 0.1f, -0.1f)]
    [InlineData(0.3f, 0f, -0.3f)]
    [InlineData(-1f, 1f, 3f)]
    public void ModelStock_OppositeChanges_GiveTheBase(float suspect, float @base, float other) =>
        Assert.Equal(@base, Assert.Single(Mix("model-stock", null, [suspect], [@base], [other])), 1e-6f);

    [Fact]
    public void NuSlerp_OppositeVectors_GoAlongTheLine()
    {
        var mixed = Mix("nuslerp", null, [0.1f, 0.2f, 0.3f], [0, 0, 0], [-0.3f, -0.6f, -0.9f]);
        Assert.All(mixed.Zip([-0.1f, -0.2f, -0.3f]), p => Assert.Equal(p.Second, p.First, 1e-6f));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public void NuSlerp_WeightsThatCancel_MeanTheMiddle(int first, int second)
    {
        // At right angles and of equal length: the middle of the arc.
        float[][] models = [[1, 0], [0, 1]];
        var mixed = Mix("nuslerp", new MixerParameters { Weights = [1, -1] }, models[first], [0, 0], models[second]);
        Assert.All(mixed, v => Assert.Equal(Math.Sqrt(0.5), v, 1e-6));
    }

    [Fact]
    public void Sce_SumsToZero_CountsAsPositive()
    {
        // Changes 3, -1, -2 in the first element, their energies equal by the second: only the positive one agrees with a sum of zero.
        float[][] changes = [[3, 0], [-1, MathF.Sqrt(8)], [-2, MathF.Sqrt(5)]];
        Assert.Equal(3, Mix("sce", new MixerParameters { SelectTopK = 1 }, changes[0], [0, 0], changes[1], changes[2])[0], 1e-6f);
    }

    [Theory]
    [InlineData(0.5, 0.001)]
    [InlineData(2.9, 0.4)]
    public void Karcher_UnequalAngles_MeetsTheCondition(double second, double third)
    {
        // On a great circle the mean of angles is the mean of directions, as long as they lie within half of it.
        float[] At(double angle) => [(float)Math.Cos(angle), (float)Math.Sin(angle)];
        var mixed = Mix("karcher", null, At(0), [0, 0], At(second), At(third));
        Assert.Equal((second + third) / 3, Math.Atan2(mixed[1], mixed[0]), 1e-6);
    }

    [Fact]
    public void Karcher_InSpace_NothingPullsTheMean()
    {
        // Far enough apart that one step does not get there.
        double[][] directions = [[1, 0, 0], [0.1, 1, 0], [-0.3, 0.5, 0.8]];
        var units = directions.Select(d => d.Select(x => x / Math.Sqrt(d.Sum(y => y * y))).ToArray()).ToArray();
        float[][] models = [.. units.Select(u => u.Select(x => (float)x).ToArray())];
        var mean = Mix("karcher", null, models[0], [0, 0, 0], models[1], models[2]).Select(x => (double)x).ToArray();
        Assert.Equal(1, Math.Sqrt(mean.Sum(x => x * x)), 1e-6);
        var pull = new double[3];
        foreach (var unit in units)
        {
            var cosine = unit.Zip(mean, (a, b) => a * b).Sum();
            var angle = Math.Acos(cosine);
            for (var i = 0; i < 3; i++)
                pull[i] += angle / Math.Sin(angle) * (unit[i] - (cosine * mean[i]));
        }

        Assert.All(pull, p => Assert.Equal(0, p, 1e-5));
    }

    [Fact]
    public void MultiSlerp_OppositeVectors_GoAlongTheLine()
    {
        var mixed = Mix("multislerp", null, [0.1f, 0.2f, 0.3f], [0, 0, 0], [-0.3f, -0.6f, -0.9f]);
        Assert.All(mixed.Zip([-0.1f, -0.2f, -0.3f]), p => Assert.Equal(p.Second, p.First, 1e-6f));
    }

    [Fact]
    public void MultiSlerp_ThreeTimesNothing_IsNothing() =>
        Assert.Equal([0, 0], Mix("multislerp", null, [0, 0], [0, 0], [0, 0], [0, 0]));

    // docs/mixing.md states the defaults; each written out must change nothing, and another value must.
    public static TheoryData<string, MixerParameters, MixerParameters> Defaults => new()
    {
        { "linear", new() { Weights = [1, 1], Normalize = true }, new() { Weights = [1, 2] } },
        { "linear", new() { Weights = [1, 1], Normalize = true }, new() { Normalize = false } },
        { "nuslerp", new() { Weights = [1, 1], RowWise = false }, new() { RowWise = true } },
        { "multislerp", new() { Weights = [1, 1], Normalize = true }, new() { Weights = [1, 3] } },
        { "task-arithmetic", new() { Weights = [0.5, 0.5], Scale = 1, Normalize = false }, new() { Weights = [1, 1] } },
        { "ties", new() { Densities = [0.5], Weights = [1, 1], Normalize = true, Scale = 1 }, new() { Normalize = false } },
        { "dare-linear", new() { Densities = [0.5], Weights = [1, 1], Normalize = false, Scale = 1 }, new() { Normalize = true } },
        { "dare-ties", new() { Densities = [0.5], Weights = [1, 1], Normalize = true, Scale = 1 }, new() { Normalize = false } },
        { "breadcrumbs", new() { Densities = [0.5], Gammas = [0.01], Weights = [1, 1], Scale = 1 }, new() { Gammas = [0.2] } },
        { "breadcrumbs", new() { Densities = [0.5], Gammas = [0.01], Weights = [1, 1], Scale = 1 }, new() { Normalize = true } },
        { "model-stock", new() { RowWise = false }, new() { RowWise = true } },
        { "sce", new() { SelectTopK = 0.5 }, new() { SelectTopK = 0.2 } },
    };

    [Theory]
    [MemberData(nameof(Defaults))]
    public void Mix_DefaultsWrittenOut_ChangeNothing(string method, MixerParameters defaults, MixerParameters others)
    {
        StateDict Mixed(MixerParameters? parameters) => WeightMixing.Mix(WeightMixers.Get(method, parameters), Models.Random(1), Models.Random(2), new MixingOptions { ReserveRatio = 0.5 }, [Models.Random(3)]).Weights;
        var (implied, written, other) = (Mixed(null), Mixed(defaults), Mixed(others));
        Assert.All(implied.Tensors, t => Assert.Equal(implied[t.Name].Bytes, written[t.Name].Bytes));
        Assert.Contains(implied.Tensors, t => !implied[t.Name].Bytes.AsSpan().SequenceEqual(other[t.Name].Bytes));
    }

    public static TheoryData<string> Methods => [.. WeightMixers.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Methods))]
    public void UsesReserveRatio_OfEveryMethod_SaysWhetherTheRatioChangesTheResult(string method)
    {
        var mixer = WeightMixers.Get(method);
        StateDict[] others = [.. Enumerable.Range(3, mixer.Inputs.MinimumOthers).Select(i => Models.Random(i))];
        StateDict Mixed(double ratio) => WeightMixing.Mix(mixer, Models.Random(1), Models.Random(2), new MixingOptions { ReserveRatio = ratio }, others).Weights;
        var (low, high) = (Mixed(0.2), Mixed(0.7));
        Assert.Equal(mixer.UsesReserveRatio, low.Tensors.Any(t => !low[t.Name].Bytes.AsSpan().SequenceEqual(high[t.Name].Bytes)));
    }

    [Fact]
    public void NearSwap_Default_IsAThousandth()
    {
        StateDict Mixed(MixerParameters? parameters) => WeightMixing.Mix(WeightMixers.Get("nearswap", parameters), Models.Random(1), Models.Random(2), new MixingOptions()).Weights;
        var (implied, written, other) = (Mixed(null), Mixed(new MixerParameters { Interpolation = 0.001 }), Mixed(new MixerParameters { Interpolation = 0.1 }));
        Assert.All(implied.Tensors, t => Assert.Equal(implied[t.Name].Bytes, written[t.Name].Bytes));
        Assert.Contains(implied.Tensors, t => !implied[t.Name].Bytes.AsSpan().SequenceEqual(other[t.Name].Bytes));
    }

    [Fact]
    public void DareLinear_TwoModels_DropElementsOfTheirOwn()
    {
        // Both changes are 1 everywhere and half of each is dropped: none, one or both stay, doubled.
        var ones = Enumerable.Repeat(1f, 1000).ToArray();
        var mixed = Mix("dare-linear", null, ones, new float[1000], ones);
        Assert.Equal([0f, 2f, 4f], mixed.Distinct().Order());
        Assert.All(new[] { (0f, 0.25), (2f, 0.5), (4f, 0.25) }, p => Assert.InRange(mixed.Count(v => v == p.Item1) / 1000.0, p.Item2 - 0.07, p.Item2 + 0.07));
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("nuslerp")]
    public void Mix_WithOtherModels_DefaultWeightsAreThoseWrittenOut(string method)
    {
        StateDict Model(float a, params float[] head)
        {
            var model = new StateDict();
            model.Add(HostTensor.FromFloat32("a", [2], [a, 2]));
            if (head.Length > 0)
                model.Add(HostTensor.FromFloat32("classifier.weight", [2], head));
            return model;
        }

        var nan = Model(float.NaN);
        float[] Head(MixerParameters? parameters) => WeightMixing.Mix(WeightMixers.Get(method, parameters), Model(1, 1, 1), nan, new MixingOptions(), [Model(3, 3, 5)]).Weights["classifier.weight"].ToFloat32();
        Assert.Equal(Head(new MixerParameters { Weights = [1, 1] }), Head(null));
        Assert.NotEqual([1, 1], Head(null));
    }

    [Theory]
    [InlineData(DType.F16, 1.00048828125009, 1.0009765625)]
    [InlineData(DType.F16, -1.00048828125009, -1.0009765625)]
    [InlineData(DType.F16, 1.00048828125, 1.0)]
    [InlineData(DType.BF16, 1.0039062500009, 1.0078125)]
    [InlineData(DType.BF16, 1.00390625, 1.0)]
    public void Mix_BaseInDoublePrecision_IsRoundedOnce(DType type, double value, double expected)
    {
        var suspect = new StateDict();
        suspect.Add(HostTensor.FromFloat32("a.weight", [1], [5]).ConvertTo(type));
        var @base = new StateDict();
        @base.Add(new HostTensor(new TensorInfo("a.weight", DType.F64, [1]), BitConverter.GetBytes(value)));
        Assert.Equal((float)expected, Assert.Single(WeightMixing.Mix(WeightMixers.Get("fine-mixing"), suspect, @base, new MixingOptions { ReserveRatio = 0 }).Weights["a.weight"].ToFloat32()));
    }

    [Fact]
    public void Replay_WithoutTheCheckForNaN_IsRepeatedWithoutIt()
    {
        using var folder = new TemporaryFolder();
        var model = Models.Random(1);
        BitConverter.TryWriteBytes(model[model.Tensors[0].Name].Bytes, float.NaN);
        CheckpointWriter.Write(model, folder["suspect"]);
        CheckpointWriter.Write(Models.Random(2), folder["base"]);
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), folder["suspect"], folder["base"], folder["first"], new MixingOptions { CheckFinite = false });
        FileMixing.Replay(folder["first"], folder["suspect"], folder["base"], folder["second"]);
        Assert.Equal(File.ReadAllBytes(folder.PathOf("first", "model.safetensors")), File.ReadAllBytes(folder.PathOf("second", "model.safetensors")));
    }

    private static float[] Mix(string method, MixerParameters? parameters, float[] suspect, float[] @base, params float[][] others)
    {
        StateDict Model(float[] values)
        {
            var model = new StateDict();
            model.Add(HostTensor.FromFloat32("a.weight", [values.Length], values));
            return model;
        }

        return WeightMixing.Mix(WeightMixers.Get(method, parameters), Model(suspect), Model(@base), new MixingOptions(), [.. others.Select(Model)]).Weights["a.weight"].ToFloat32();
    }
}
