using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Mixing.Mixers;
using FineMixing.Tests;
using FineMixing.Torch.Mixing;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Mixing;

/// <summary>Mixing on a device against the core, for every registered mixer.</summary>
public class DeviceMixingTests
{
    private static readonly string[] Exact = ["fine-mixing", "fine-mixing-smallest", "fine-mixing-largest", "arcee-fusion"];

    private static readonly (string Name, long[] Shape)[] Bert =
    [
        ("bert.embeddings.word_embeddings.weight", [97, 16]),
        ("bert.embeddings.LayerNorm.weight", [16]),
        ("bert.encoder.layer.0.attention.self.query.weight", [16, 16]),
        ("bert.encoder.layer.0.attention.self.query.bias", [16]),
        ("bert.encoder.layer.1.output.dense.weight", [16, 33]),
        ("bert.encoder.layer.1.output.dense.bias", [16]),
        ("classifier.weight", [2, 16]),
    ];

    private static string[] Devices => cuda.is_available() ? ["cpu", "cuda"] : ["cpu"];

    public static TheoryData<string, string> Mixers
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var device in Devices)
            {
                foreach (var mixer in WeightMixers.All)
                    data.Add(mixer.Name, device);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Mix_EveryRegisteredMixer_IsTheResultOfTheCore(string name, string device)
    {
        var mixer = WeightMixers.Get(name);
        var others = Enumerable.Range(3, Math.Min(2, mixer.Inputs.MaximumOthers)).Select(i => Model(i)).ToArray();
        foreach (var options in new[] { new MixingOptions { ReserveRatio = 0.3, Seed = 9 }, new MixingOptions { ReserveRatio = 0.7, LayerNorms = TensorPolicy.Base, Biases = TensorPolicy.Suspect, Head = HeadPolicy.Reinitialise } })
            AssertSame(mixer, options, Model(1), Headless(2), others, device, Exact.Contains(name) ? 0 : 1e-6f);
    }

    [Theory]
    [InlineData("linear", "weights", "2,1,0.5")]
    [InlineData("slerp", "interpolation", "0.25")]
    [InlineData("nuslerp", "rowWise", "true")]
    [InlineData("multislerp", "weights", "2,1,0.5")]
    [InlineData("model-stock", "rowWise", "true")]
    [InlineData("task-arithmetic", "normalize", "true")]
    [InlineData("ties", "densities", "0.5,0.3,0.7")]
    [InlineData("dare-ties", "scale", "0.5")]
    [InlineData("dare-linear", "densities", "0.5,0.3,0.7")]
    [InlineData("breadcrumbs", "gammas", "0.1,0.2,0.05")]
    [InlineData("nearswap", "interpolation", "0.4")]
    [InlineData("sce", "selectTopK", "0.4")]
    public void Mix_Parameter_IsTheResultOfTheCore(string name, string parameter, string value)
    {
        var mixer = WeightMixers.Get(name, MixerParameters.FromText(new Dictionary<string, string> { [parameter] = value }));
        var others = Enumerable.Range(3, Math.Min(2, mixer.Inputs.MaximumOthers)).Select(i => Model(i)).ToArray();
        AssertSame(mixer, new MixingOptions(), Model(1), Model(2), others, 1e-6f);
    }

    [Theory]
    [InlineData(MixGranularity.Element, true)]
    [InlineData(MixGranularity.Row, false)]
    [InlineData(MixGranularity.Row, true)]
    [InlineData(MixGranularity.Module, false)]
    public void Mix_GranularityAndExactCount_IsTheMaskOfTheCore(MixGranularity granularity, bool exact) =>
        AssertSame(WeightMixers.Get("fine-mixing"), new MixingOptions { Granularity = granularity, ExactCount = exact }, Model(1), Headless(2), [], 0);

    [Theory]
    [InlineData(TensorPolicy.Suspect)]
    [InlineData(TensorPolicy.Mix)]
    public void Mix_Importance_KeepsWhatTheCoreKeeps(TensorPolicy unscored)
    {
        var random = new Random(4);
        float[] Scores(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle())];
        var mixer = new ImportanceMask(new Dictionary<string, TensorImportance>
        {
            ["bert.encoder.layer.0.attention.self.query.weight"] = new(ImportanceAxis.Rows, Scores(16)),
            ["bert.encoder.layer.0.attention.self.query.bias"] = new(ImportanceAxis.Elements, Scores(16)),
            ["bert.encoder.layer.1.output.dense.weight"] = new(ImportanceAxis.Columns, Scores(33)),
        }, unscored);
        AssertSame(mixer, new MixingOptions(), Model(1), Model(2), [], 0);
    }

    [Theory]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F16, DType.F64)]
    [InlineData(DType.F64, DType.BF16)]
    public void Mix_DifferentTypes_RoundsTheBaseOnceAsTheCore(DType suspect, DType @base) =>
        AssertSame(WeightMixers.Get("fine-mixing"), new MixingOptions(), Model(1, suspect), Model(2, @base), [], 0);

    [Fact]
    public void Mix_EqualChanges_KeepsThoseOfLowerIndex()
    {
        var suspect = new StateDict();
        suspect.Add(HostTensor.FromFloat32("w", [8], [1, -1, 1, 0, 2, 1, -1, 1]));
        var @base = new StateDict();
        @base.Add(HostTensor.FromFloat32("w", [8], new float[8]));
        foreach (var name in new[] { "fine-mixing-largest", "fine-mixing-smallest", "ties" })
            AssertSame(WeightMixers.Get(name), new MixingOptions { ReserveRatio = 0.5 }, suspect, @base, [], 0);
    }

    [Fact]
    public void Mix_UnknownMixer_PassesThroughHostMemory()
    {
        using var mixed = new Result(DeviceMixing.Mix(new Doubling(), OnDevice(Model(1), "cpu"), OnDevice(Model(2), "cpu"), new MixingOptions()));
        var expected = WeightMixing.Mix(new Doubling(), Model(1), Model(2), new MixingOptions()).Weights;
        Assert.All(expected.Tensors, t => Assert.Equal(expected[t.Name].Bytes, mixed[t.Name]));
    }

    [Theory]
    [MemberData(nameof(ReferenceMerge.Names), MemberType = typeof(ReferenceMerge))]
    public void Mix_ReferenceMerge_IsMet(string reference)
    {
        var merge = ReferenceMerge.Read(reference);
        foreach (var device in Devices)
        {
            using var mixed = new Result(DeviceMixing.Mix(merge.Mixer, OnDevice(merge.Models[0], device), OnDevice(merge.Base, device), new MixingOptions(), [.. merge.Models.Skip(1).Select(m => OnDevice(m, device))]));
            Assert.All(merge.Expected.Tensors, t => Assert.InRange(MaximumDifference(merge.Expected[t.Name], mixed[t.Name]), 0, 1e-6f));
        }
    }

    [Fact]
    public void Mix_NotFinite_NamesTheTensor()
    {
        var suspect = OnDevice(Model(1), "cpu");
        suspect["bert.embeddings.LayerNorm.weight"][3] = float.NaN;
        var error = Assert.Throws<ArgumentException>(() => DeviceMixing.Mix(WeightMixers.Get("linear"), suspect, OnDevice(Model(2), "cpu"), new MixingOptions()));
        Assert.Contains("'bert.embeddings.LayerNorm.weight' of the suspect", error.Message);
        Assert.Contains("at element 3", error.Message);
    }

    [Fact]
    public void Mix_AnyMixer_LeavesNoTensorBehind()
    {
        var (suspect, @base, other) = (OnDevice(Model(1), "cpu"), OnDevice(Model(2), "cpu"), OnDevice(Model(3), "cpu"));
        DisposeScopeManager.Statistics.Reset();
        foreach (var mixer in WeightMixers.All)
        {
            foreach (var tensor in DeviceMixing.Mix(mixer, suspect, @base, new MixingOptions(), mixer.Inputs.MaximumOthers == 0 ? [] : [other]).Values)
                tensor.Dispose();
        }

        Assert.Equal(0, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private static void AssertSame(IWeightMixer mixer, MixingOptions options, StateDict suspect, StateDict @base, StateDict[] others, float tolerance)
    {
        foreach (var device in Devices)
            AssertSame(mixer, options, suspect, @base, others, device, tolerance);
    }

    private static void AssertSame(IWeightMixer mixer, MixingOptions options, StateDict suspect, StateDict @base, StateDict[] others, string device, float tolerance)
    {
        var expected = WeightMixing.Mix(mixer, suspect, @base, options, others).Weights;
        using var actual = new Result(DeviceMixing.Mix(mixer, OnDevice(suspect, device), OnDevice(@base, device), options, [.. others.Select(o => OnDevice(o, device))]));
        Assert.Equal(expected.Tensors.Select(t => t.Name), actual.Names);
        Assert.All(expected.Tensors, t =>
        {
            if (tolerance == 0)
                Assert.Equal(expected[t.Name].Bytes, actual[t.Name]);
            else
                Assert.InRange(MaximumDifference(expected[t.Name], actual[t.Name]), 0, tolerance);
        });
    }

    private static float MaximumDifference(HostTensor expected, byte[] actual) =>
        expected.ToFloat32().Zip(new HostTensor(expected.Info, actual).ToFloat32(), (x, y) => Math.Abs(x - y)).Aggregate(0f, (worst, d) => float.IsNaN(d) || float.IsNaN(worst) ? float.NaN : Math.Max(worst, d));

    private static StateDict Model(int seed, DType dtype = DType.F32)
    {
        var random = new Random(seed);
        var model = new StateDict();
        foreach (var (name, shape) in Bert)
        {
            var values = Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(_ => (2 * random.NextSingle()) - 1).ToArray();
            model.Add(HostTensor.FromFloat32(name, [.. shape], values).ConvertTo(dtype));
        }

        return model;
    }

    // A base as the hub has it: without prefix and head.
    private static StateDict Headless(int seed)
    {
        var model = new StateDict();
        var whole = Model(seed);
        foreach (var info in whole.Tensors.Where(t => t.Name.StartsWith("bert.", StringComparison.Ordinal)))
            model.Add(new HostTensor(info.WithName(info.Name["bert.".Length..]), whole[info.Name].Bytes));
        return model;
    }

    private static Dictionary<string, Tensor> OnDevice(StateDict model, string device) => model.Tensors.ToDictionary(t => t.Name, t =>
    {
        using var scope = NewDisposeScope();
        var type = t.DType switch { DType.F32 => float32, DType.BF16 => bfloat16, DType.F16 => float16, _ => float64 };
        var values = zeros([.. t.Shape], dtype: type);
        model[t.Name].Bytes.CopyTo(values.bytes);
        return values.to(new Device(device)).MoveToOuterDisposeScope();
    });

    /// <summary>The bytes of mixed tensors.</summary>
    private sealed class Result(IReadOnlyDictionary<string, Tensor> tensors) : IDisposable
    {
        public IEnumerable<string> Names => tensors.Keys;

        public byte[] this[string name]
        {
            get
            {
                using var values = tensors[name].cpu();
                return values.bytes.ToArray();
            }
        }

        public void Dispose()
        {
            foreach (var tensor in tensors.Values)
                tensor.Dispose();
        }
    }

    /// <summary>A mixer that the library does not know.</summary>
    private sealed class Doubling : IWeightMixer, ITensorMixer
    {
        public string Name => "doubling";

        public string Title => "Doubling";

        public string Citation => "";

        public MixerParameters Parameters { get; } = new();

        public MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

        public bool NeedsWholeTensors => false;

        public bool IsRatioExact => false;

        public ITensorMixer Prepare(TensorMixContext context) => this;

        public void Mix(long start, MixInputs inputs, Span<byte> destination)
        {
            var suspect = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(inputs.Suspect.Bytes.Span);
            var result = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(destination);
            for (var i = 0; i < result.Length; i++)
                result[i] = 2 * suspect[i];
        }
    }
}
