using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Mixing.Mixers;

namespace FineMixing.Tests.Mixing;

public class WeightMixingTests
{
    private static readonly IWeightMixer FineMix = WeightMixers.Get("fine-mixing");

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.F16, DType.F32)]
    [InlineData(DType.BF16, DType.F16)]
    [InlineData(DType.F32, DType.BF16)]
    [InlineData(DType.F64, DType.F32)]
    public void Mix_FineMixing_EveryElementHasTheBitsOfOneSide(DType suspectType, DType baseType)
    {
        var suspect = Models.Random(1, suspectType, "bert.");
        suspect.Add(Models.Tensor(new Random(5), "classifier.weight", suspectType, [2, 16]));
        var @base = Models.Random(2, baseType);
        var result = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { ReserveRatio = 0.4, Seed = 3 });

        Assert.Equal(suspect.Tensors.Select(t => t.ToString()), result.Weights.Tensors.Select(t => t.ToString()));
        foreach (var info in @base.Tensors)
        {
            var name = "bert." + info.Name;
            var size = suspectType.BitSize() / 8;
            var mask = RandomMask.Bernoulli(3, name, 0.4);
            var converted = @base[info.Name].ConvertTo(suspectType).Bytes;
            var expected = Enumerable.Range(0, converted.Length).Select(i => (mask[i / size] ? suspect[name].Bytes : converted)[i]);
            Assert.Equal(expected, result.Weights[name].Bytes);
        }

        Assert.Equal(suspect["classifier.weight"].Bytes, result.Weights["classifier.weight"].Bytes);
        Assert.Equal(TensorAction.Suspect, result.Tensors[^1].Action);
        Assert.All(result.Tensors.SkipLast(1), t => Assert.Equal(TensorAction.Mixed, t.Action));
    }

    [Theory]
    [InlineData("fine-mixing")]
    [InlineData("fine-mixing-smallest")]
    [InlineData("fine-mixing-largest")]
    [InlineData("linear")]
    [InlineData("slerp")]
    public void Mix_RatioZeroOrOne_IsTheBaseOrTheSuspect(string method)
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        foreach (var (ratio, expected) in new[] { (0.0, @base), (1.0, suspect) })
        {
            var mixed = WeightMixing.Mix(WeightMixers.Get(method), suspect, @base, new MixingOptions { ReserveRatio = ratio }).Weights;
            Assert.All(mixed.Tensors, t => Assert.Equal(expected[t.Name].Bytes, mixed[t.Name].Bytes));
        }
    }

    [Theory]
    [InlineData(MixGranularity.Element)]
    [InlineData(MixGranularity.Row)]
    public void Mix_ExactCount_KeepsTheFloorOfEachTensor(MixGranularity granularity)
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var mixed = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { ReserveRatio = 0.3, ExactCount = true, Granularity = granularity }).Weights;
        foreach (var info in mixed.Tensors)
        {
            var (m, s) = (mixed[info.Name].ToFloat32(), suspect[info.Name].ToFloat32());
            var row = granularity == MixGranularity.Row && info.Shape.Length > 1 ? (int)info.Shape[1] : 1;
            var kept = m.Zip(s).Count(p => p.First == p.Second);
            Assert.Equal(RandomMask.KeptCount(0.3, info.ElementCount / row) * row, kept);
        }
    }

    [Fact]
    public void Mix_Rows_WeightAndBiasOfAUnitShareTheirFate()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var mixed = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { Granularity = MixGranularity.Row }).Weights;
        const string Module = "encoder.layer.1.output.dense";
        var (weight, bias) = (mixed[Module + ".weight"].ToFloat32(), mixed[Module + ".bias"].ToFloat32());
        var (suspectWeight, suspectBias) = (suspect[Module + ".weight"].ToFloat32(), suspect[Module + ".bias"].ToFloat32());
        var fates = new HashSet<bool>();
        for (var unit = 0; unit < 16; unit++)
        {
            var kept = bias[unit] == suspectBias[unit];
            fates.Add(kept);
            Assert.All(Enumerable.Range(unit * 33, 33), i => Assert.Equal(kept, weight[i] == suspectWeight[i]));
        }

        Assert.Equal(2, fates.Count);
    }

    [Fact]
    public void Mix_Modules_AllOfAModuleComesFromOneSide()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var actions = new HashSet<bool>();
        for (ulong seed = 0; seed < 8; seed++)
        {
            var mixed = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { Granularity = MixGranularity.Module, Seed = seed }).Weights;
            foreach (var module in mixed.Tensors.GroupBy(t => TensorNames.ModuleOf(t.Name)))
            {
                var kept = mixed[module.First().Name].Bytes.AsSpan().SequenceEqual(suspect[module.First().Name].Bytes);
                actions.Add(kept);
                Assert.All(module, t => Assert.Equal((kept ? suspect : @base)[t.Name].Bytes, mixed[t.Name].Bytes));
            }
        }

        Assert.Equal(2, actions.Count);
    }

    [Theory]
    [InlineData("fine-mixing")]
    [InlineData("fine-mixing-smallest")]
    [InlineData("linear")]
    [InlineData("slerp")]
    public void Mix_AnyNumberOfThreads_SameBytes(string method)
    {
        var large = Models.Bert.Append(("encoder.layer.1.intermediate.dense.weight", [1000, 700])).ToList();
        var suspect = Models.Random(1, tensors: large);
        var @base = Models.Random(2, tensors: large);
        var results = new[] { 1, 2, 7 }.Select(t => WeightMixing.Mix(WeightMixers.Get(method), suspect, @base, new MixingOptions { Threads = t }).Weights).ToList();
        Assert.All(results[0].Tensors, t => Assert.All(results, r => Assert.True(results[0][t.Name].Bytes.AsSpan().SequenceEqual(r[t.Name].Bytes))));
    }

    [Fact]
    public void Mix_TensorsOfOneAndTwoElements_AreMixed()
    {
        (string, long[])[] tiny = [("a.weight", [1]), ("b.weight", [2]), ("scalar", []), ("empty", [0, 5])];
        var suspect = Models.Random(1, tensors: tiny);
        var @base = Models.Random(2, tensors: tiny);
        foreach (var ratio in new[] { 0, 0.01, 0.5, 0.99, 1 })
        {
            foreach (var exact in new[] { false, true })
            {
                var mixed = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { ReserveRatio = ratio, ExactCount = exact }).Weights;
                foreach (var info in mixed.Tensors)
                    Assert.All(mixed[info.Name].ToFloat32().Select((v, i) => (v, i)), p => Assert.True(p.v == suspect[info.Name].ToFloat32()[p.i] || p.v == @base[info.Name].ToFloat32()[p.i]));
            }
        }
    }

    [Fact]
    public void Mix_Policies_DecideOverKinds()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var result = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { LayerNorms = TensorPolicy.Suspect, Biases = TensorPolicy.Base, Embeddings = TensorPolicy.Base });
        Assert.Equal(
            [TensorAction.Base, TensorAction.Suspect, TensorAction.Mixed, TensorAction.Base, TensorAction.Mixed, TensorAction.Base, TensorAction.Mixed, TensorAction.Base],
            result.Tensors.Select(t => t.Action));
        Assert.Equal(@base["embeddings.word_embeddings.weight"].Bytes, result.Weights["embeddings.word_embeddings.weight"].Bytes);
        Assert.Equal(suspect["embeddings.LayerNorm.weight"].Bytes, result.Weights["embeddings.LayerNorm.weight"].Bytes);
    }

    [Theory]
    [InlineData("fine-mixing")]
    [InlineData("linear")]
    public void Mix_ResetTop_GivesTheTopBack(string method)
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var result = WeightMixing.Mix(WeightMixers.Get(method), suspect, @base, new MixingOptions { ReserveRatio = 0.8, Schedule = RatioSchedule.ResetTop(1) });
        Assert.All(result.Tensors, t => Assert.Equal(t.Name.StartsWith("pooler", StringComparison.Ordinal) || t.Name.Contains("layer.1", StringComparison.Ordinal) ? TensorAction.Base : TensorAction.Mixed, t.Action));
        Assert.Equal(@base["pooler.dense.bias"].Bytes, result.Weights["pooler.dense.bias"].Bytes);
    }

    [Fact]
    public void Mix_HeadReinitialised_IsNormalAndFromTheSeed()
    {
        (string, long[])[] head = [("classifier.weight", [200, 100]), ("classifier.bias", [2])];
        var suspect = Models.Random(1, tensors: Models.Bert.Concat(head));
        var @base = Models.Random(2);
        StateDict Mix(ulong seed, int threads) => WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { Head = HeadPolicy.Reinitialise, Seed = seed, Threads = threads }).Weights;
        var weights = Mix(1, 1)["classifier.weight"].ToFloat32();
        Assert.InRange(weights.Average(), -4 * 0.02 / Math.Sqrt(20000), 4 * 0.02 / Math.Sqrt(20000));
        Assert.InRange(Math.Sqrt(weights.Average(w => (double)w * w)), 0.0196, 0.0204);
        Assert.Equal([0, 0], Mix(1, 1)["classifier.bias"].ToFloat32());
        Assert.Equal(weights, Mix(1, 3)["classifier.weight"].ToFloat32());
        Assert.NotEqual(weights, Mix(2, 1)["classifier.weight"].ToFloat32());
    }

    [Fact]
    public void Mix_HeadReinitialised_HasThePinnedValues()
    {
        var suspect = Models.Random(1, tensors: Models.Bert.Append(("classifier.weight", [2, 3])));
        var weights = WeightMixing.Mix(FineMix, suspect, Models.Random(2), new MixingOptions { Head = HeadPolicy.Reinitialise, Seed = 7 }).Weights["classifier.weight"].ToFloat32();
        float[] expected = [-0.03954672f, 0.013222379f, 0.030504405f, -0.0066816024f, -0.030142983f, 0.01221996f];
        Assert.All(expected.Zip(weights), p => Assert.Equal(p.First, p.Second, 1e-8f));
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F64)]
    public void ThrowIfAny_BehindTheFirstMegabyteOfAFile_NamesTheElement(DType type)
    {
        const int Element = 300_001;
        var suspect = Models.Random(1, type, tensors: [("a.weight", [400_000])]);
        var values = suspect["a.weight"].Bytes;
        var size = type.BitSize() / 8;
        (type == DType.F32 ? BitConverter.GetBytes(float.NaN) : BitConverter.GetBytes(double.PositiveInfinity)).CopyTo(values, Element * size);
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(suspect, folder["suspect"]);
        CheckpointWriter.Write(Models.Random(2, type, tensors: [("a.weight", [400_000])]), folder["base"]);
        var e = Assert.Throws<ArgumentException>(() => FileMixing.Mix(FineMix, folder["suspect"], folder["base"], folder["output"], new MixingOptions()));
        Assert.Contains($"has a NaN or infinity at element {Element}", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["output"]));
    }

    [Fact]
    public void Mix_IntegerTensor_IsKept()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        suspect.Add(new HostTensor(new TensorInfo("embeddings.position_ids", DType.I64, [1, 3]), [.. Enumerable.Range(0, 24).Select(i => (byte)i)]));
        @base.Add(new HostTensor(new TensorInfo("embeddings.position_ids", DType.I64, [1, 3]), new byte[24]));
        var result = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { ReserveRatio = 0 });
        Assert.Equal(suspect["embeddings.position_ids"].Bytes, result.Weights["embeddings.position_ids"].Bytes);
    }

    [Fact]
    public void Mix_NotANumber_ThrowsAndNamesTensorAndElement()
    {
        var suspect = Models.Random(1, DType.BF16);
        var @base = Models.Random(2, DType.F16);
        suspect["pooler.dense.weight"].Bytes[21] = 0x7F;
        suspect["pooler.dense.weight"].Bytes[20] = 0x80;
        @base["pooler.dense.bias"].Bytes[31] = 0x7C;
        @base["pooler.dense.bias"].Bytes[30] = 0x01;
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions()));
        Assert.Contains("'pooler.dense.weight' of the suspect model 1 has a NaN or infinity at element 10", e.Message, StringComparison.Ordinal);
        Assert.Contains("'pooler.dense.bias' of the base model 2 has a NaN or infinity at element 15", e.Message, StringComparison.Ordinal);
        WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions { CheckFinite = false });
    }

    [Fact]
    public void Mix_OtherArchitecture_ThrowsWithAllDifferences()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2, tensors: [("embeddings.word_embeddings.weight", [98, 16]), .. Models.Bert.Skip(1).SkipLast(1)]);
        var e = Assert.Throws<IncompatibleCheckpointsException>(() => WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions()));
        Assert.Contains("[98, 16]", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mix_BadOptions_ThrowsWithAllProblems()
    {
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.Mix(FineMix, Models.Random(1), Models.Random(2), new MixingOptions { ReserveRatio = 2, Threads = -1, Head = (HeadPolicy)9 }));
        Assert.Contains("ratio is 2", e.Message, StringComparison.Ordinal);
        Assert.Contains("threads is -1", e.Message, StringComparison.Ordinal);
        Assert.Contains("head is 9", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Get_EveryMixer_TakesItsParametersAndNoOthers()
    {
        var all = new MixerParameters { Weights = [1], Densities = [0.5], Gammas = [0.1], Normalize = true, Interpolation = 0.5, Scale = 1, SelectTopK = 0.5, RowWise = true }.ToText();
        foreach (var mixer in WeightMixers.All)
        {
            var taken = WeightMixers.ParametersOf(mixer.Name);
            Assert.Equal(taken.Order(StringComparer.Ordinal), WeightMixers.Get(mixer.Name, MixerParameters.FromText(all.Where(p => taken.Contains(p.Key)).ToDictionary())).Parameters.ToText().Keys);
            foreach (var (name, value) in all.Where(p => !taken.Contains(p.Key)))
                Assert.Contains(name, Assert.Throws<ArgumentException>(() => WeightMixers.Get(mixer.Name, MixerParameters.FromText(new Dictionary<string, string> { [name] = value }))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Mix_WrongNumberOfModels_Throws()
    {
        var model = Models.Random(1);
        Assert.Contains("none", Assert.Throws<ArgumentException>(() => WeightMixing.Mix(FineMix, model, model, new MixingOptions(), [model])).Message, StringComparison.Ordinal);
        Assert.Contains("1 or more", Assert.Throws<ArgumentException>(() => WeightMixing.Mix(WeightMixers.Get("wag"), model, model, new MixingOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mix_Cancelled_Throws() =>
        Assert.ThrowsAny<OperationCanceledException>(() => WeightMixing.Mix(FineMix, Models.Random(1), Models.Random(2), new MixingOptions(), ct: new CancellationToken(canceled: true)));

    [Fact]
    public void MixInto_Suspect_MixesInPlace()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var expected = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions()).Weights;
        WeightMixing.MixInto(FineMix, suspect, @base, new MixingOptions(), suspect);
        Assert.All(expected.Tensors, t => Assert.Equal(expected[t.Name].Bytes, suspect[t.Name].Bytes));
    }

    [Theory]
    [InlineData(DType.F8E4M3, DType.F32, "F8_E4M3 and F32")]
    [InlineData(DType.F32, DType.F8E4M3, "F32 and F8_E4M3")]
    [InlineData(DType.F8E5M2, DType.F8E5M2, "F8_E5M2 and F8_E5M2")]
    [InlineData(DType.I32, DType.F32, "I32 and F32")]
    public void Mix_WeightsOfATypeThatIsNotMixed_AreRefusedUnlessKept(DType ours, DType theirs, string types)
    {
        StateDict Model(DType type)
        {
            var model = Models.Random(1);
            var info = new TensorInfo("encoder.layer.9.output.dense.weight", type, [4, 4]);
            model.Add(new HostTensor(info, new byte[info.ByteLength]));
            return model;
        }

        foreach (var ratio in new[] { 0, 0.5 })
        {
            var e = Assert.Throws<IncompatibleCheckpointsException>(() => WeightMixing.Mix(FineMix, Model(ours), Model(theirs), new MixingOptions { ReserveRatio = ratio }));
            Assert.Contains($"'encoder.layer.9.output.dense.weight' is {types}", e.Message, StringComparison.Ordinal);
            Assert.Single(e.Differences);
        }

        Assert.Equal(TensorAction.Suspect, WeightMixing.Mix(FineMix, Model(ours), Model(theirs), new MixingOptions { ReserveRatio = 1 }).Tensors[^1].Action);
    }

    [Fact]
    public void Mix_CountersOfTheSameKind_StayTheSuspects()
    {
        StateDict Model(byte value)
        {
            var model = Models.Random(1);
            model.Add(new HostTensor(new TensorInfo("embeddings.position_ids", DType.U8, [1, 2]), [value, value]));
            return model;
        }

        Assert.Equal([7, 7], WeightMixing.Mix(FineMix, Model(7), Model(8), new MixingOptions { ReserveRatio = 0 }).Weights["embeddings.position_ids"].Bytes);
    }

    [Theory]
    [InlineData("fine-mixing", 0)]
    [InlineData("fine-mixing", 0.5)]
    [InlineData("linear", 0.5)]
    [InlineData("slerp", 0.5)]
    public void Mix_ValueBeyondTheSuspectsType_IsRefusedByName(string method, double ratio)
    {
        var (suspect, @base) = (Models.Random(1, DType.F16), Models.Random(2));
        var name = suspect.Tensors[1].Name;
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(@base[name].Bytes.AsSpan()).Fill(1e30f);
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.Mix(WeightMixers.Get(method), suspect, @base, new MixingOptions { ReserveRatio = ratio }));
        Assert.Contains($"'{name}'", e.Message, StringComparison.Ordinal);
        Assert.Contains("beyond the range of F16", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MixInto_OtherMemory_EqualsMix()
    {
        var (suspect, @base, destination) = (Models.Random(1), Models.Random(2), Models.Random(3));
        var expected = WeightMixing.Mix(FineMix, suspect, @base, new MixingOptions()).Weights;
        WeightMixing.MixInto(FineMix, suspect, @base, new MixingOptions(), destination);
        Assert.All(expected.Tensors, t => Assert.Equal(expected[t.Name].Bytes, destination[t.Name].Bytes));
    }

    [Theory]
    [InlineData("suspect")]
    [InlineData("base")]
    public void MixInto_InfinityWhereAnInputIsOverwritten_IsRefusedWithTheInputsAsTheyWere(string overwritten)
    {
        var (suspect, @base) = (Models.Random(1), Models.Random(2));
        var last = suspect[suspect.Tensors[^1].Name];
        BitConverter.TryWriteBytes(last.Bytes, float.PositiveInfinity);
        var destination = overwritten == "base" ? @base : new StateDict();
        if (overwritten == "suspect")
        {
            foreach (var tensor in suspect.Tensors)
                destination.Add(tensor == last.Info ? last : new HostTensor(tensor, [.. suspect[tensor.Name].Bytes]));
        }

        var before = destination.Tensors.ToDictionary(t => t.Name, t => destination[t.Name].Bytes.ToArray());
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.MixInto(FineMix, suspect, @base, new MixingOptions { Threads = 1 }, destination));
        Assert.Contains(last.Info.Name, e.Message, StringComparison.Ordinal);
        Assert.All(before, b => Assert.Equal(b.Value, destination[b.Key].Bytes));
    }

    [Fact]
    public void MixInto_InfinityWithOtherMemory_IsRefused()
    {
        var (suspect, @base) = (Models.Random(1), Models.Random(2));
        BitConverter.TryWriteBytes(@base[@base.Tensors[0].Name].Bytes, float.NaN);
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.MixInto(FineMix, suspect, @base, new MixingOptions(), Models.Random(3)));
        Assert.Contains(@base.Tensors[0].Name, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Mix_ByChangeSize_KeepsTheSmallestOrLargestChanges(bool largest)
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var mixed = WeightMixing.Mix(new ChangeSizeMixer(largest), suspect, @base, new MixingOptions { ReserveRatio = 0.25 }).Weights;
        foreach (var info in mixed.Tensors)
        {
            var (m, s, b) = (mixed[info.Name].ToFloat32(), suspect[info.Name].ToFloat32(), @base[info.Name].ToFloat32());
            var changes = s.Zip(b, (x, y) => Math.Abs(x - y)).ToArray();
            var kept = changes.Where((_, i) => m[i] == s[i]).ToList();
            var reset = changes.Where((_, i) => m[i] != s[i]).ToList();
            Assert.Equal(changes.Length / 4, kept.Count);
            Assert.True(largest ? kept.Min() >= reset.Max() : kept.Max() <= reset.Min());
        }
    }

    [Fact]
    public void Mix_ByImportance_KeepsTheHighestScores()
    {
        var suspect = Models.Random(1);
        var @base = Models.Random(2);
        var units = Enumerable.Range(0, 16).Select(i => (float)(i * 7 % 16)).ToArray();
        var mixer = new ImportanceMask(new Dictionary<string, TensorImportance>
        {
            ["encoder.layer.0.attention.self.query.weight"] = new(ImportanceAxis.Rows, units),
            ["encoder.layer.0.attention.self.query.bias"] = new(ImportanceAxis.Rows, units),
            ["pooler.dense.weight"] = new(ImportanceAxis.Columns, units),
        });
        var mixed = WeightMixing.Mix(mixer, suspect, @base, new MixingOptions { ReserveRatio = 0.25 }).Weights;
        var keptUnits = units.Select(u => u >= 12).ToArray();
        Check("encoder.layer.0.attention.self.query.weight", i => keptUnits[i / 16]);
        Check("encoder.layer.0.attention.self.query.bias", i => keptUnits[i]);
        Check("pooler.dense.weight", i => keptUnits[i % 16]);
        Check("pooler.dense.bias", _ => true);

        void Check(string name, Func<int, bool> kept)
        {
            var (m, s, b) = (mixed[name].ToFloat32(), suspect[name].ToFloat32(), @base[name].ToFloat32());
            Assert.All(Enumerable.Range(0, m.Length), i => Assert.Equal(kept(i) ? s[i] : b[i], m[i]));
        }
    }

    [Fact]
    public void Mix_ByImportanceOfWrongLength_ThrowsAndNamesTheTensor()
    {
        var mixer = new ImportanceMask(new Dictionary<string, TensorImportance> { ["pooler.dense.weight"] = new(ImportanceAxis.Rows, new float[3]) });
        var e = Assert.Throws<ArgumentException>(() => WeightMixing.Mix(mixer, Models.Random(1), Models.Random(2), new MixingOptions()));
        Assert.Contains("pooler.dense.weight", e.Message, StringComparison.Ordinal);
        Assert.Contains("expected 16", e.Message, StringComparison.Ordinal);
    }
}
