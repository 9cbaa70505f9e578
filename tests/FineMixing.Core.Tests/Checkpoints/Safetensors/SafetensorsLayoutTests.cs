using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;
using FsCheck;
using FsCheck.Fluent;

namespace FineMixing.Tests.Checkpoints.Safetensors;

public class SafetensorsLayoutTests
{
    [Fact]
    public void Plan_KnownTensors_HasThePinnedHeader()
    {
        var layout = SafetensorsLayout.Plan(
            [new TensorInfo("a", DType.U8, [3]), new TensorInfo("é\"\\\n", DType.F32, []), new TensorInfo("b", DType.F32, [2, 1])],
            new Dictionary<string, string> { ["z"] = "1\t2", ["a"] = "<&>" });
        const string Json =
            """{"__metadata__":{"a":"<&>","format":"pt","z":"1\u00092"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"é\"\\\u000a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"a":{"dtype":"U8","shape":[3],"data_offsets":[12,15]}}""";
        byte[] expected = [0xF8, 0x0F, 0, 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(Json)];
        Assert.Equal(Encoding.UTF8.GetString(expected), Encoding.UTF8.GetString(layout.ComposeHeader().Span).TrimEnd(' '));
        Assert.Equal(4096, layout.HeaderLength);
        Assert.Equal(4096 + 15, layout.TotalLength);
        Assert.Equal([4096L, 4104, 4108], layout.Entries.Select(e => e.FileOffset));
    }

    [Fact]
    public void Plan_NoTensors_IsAValidFile()
    {
        var layout = SafetensorsLayout.Plan([]);
        Assert.Empty(SafetensorsFiles.Parse(layout.ComposeHeader().ToArray()).Entries);
    }

    [Fact]
    public void Plan_AnyOrder_GivesTheSameBytes()
    {
        TensorInfo[] tensors = [new("x.10", DType.F32, [1]), new("x.9", DType.F32, [1]), new("X", DType.F32, [1]), new("w", DType.I64, [1]), new("v", DType.BF16, [1]), new("u", DType.F16, [1])];
        var expected = SafetensorsLayout.Plan(tensors);
        Assert.Equal(["w", "X", "x.10", "x.9", "u", "v"], expected.Entries.Select(e => e.Tensor.Name));
        for (var seed = 0; seed < 20; seed++)
        {
            new Random(seed).Shuffle(tensors);
            Assert.True(expected.ComposeHeader().Span.SequenceEqual(SafetensorsLayout.Plan(tensors).ComposeHeader().Span));
        }
    }

    [Fact]
    public void Plan_EveryTensor_BeginsAtAMultipleOfItsElementSize()
    {
        var tensors = Enum.GetValues<DType>().Where(d => d.BitSize() >= 8).Select((d, i) => new TensorInfo($"t{i}", d, [3]));
        Assert.All(SafetensorsLayout.Plan(tensors).Entries, e => Assert.Equal(0, e.FileOffset % (e.Tensor.DType.BitSize() / 8)));
    }

    [Fact]
    public void Plan_HeaderJustAtThePage_StaysOnIt()
    {
        for (var length = 3900; length < 4100; length++)
        {
            var layout = SafetensorsLayout.Plan([], new Dictionary<string, string> { ["k"] = new string('x', length) });
            Assert.Equal(0, layout.HeaderLength % 4096);
            Assert.Equal((byte)'{', layout.ComposeHeader().Span[8]);
            Assert.Equal(length, SafetensorsFiles.Parse(layout.ComposeHeader().ToArray()).Metadata["k"].Length);
        }
    }

    [Fact]
    public void Plan_WhatTheReaderWouldRefuse_IsRefusedWithAllProblems()
    {
        TensorInfo[] tensors =
        [
            new("twice", DType.F32, [1]), new("twice", DType.F16, [1]), new("__metadata__", DType.F32, [1]), new(new string('n', 5000), DType.F32, [1]),
            new("\ud800", DType.F32, [1]), new("big", DType.U8, [1L << 49]), new("rank", DType.U8, [.. Enumerable.Repeat(1L, 65)]),
        ];
        var error = Assert.Throws<ArgumentException>(() => SafetensorsLayout.Plan(tensors, new Dictionary<string, string> { ["k"] = "\udc00", ["long"] = new string('x', 20 << 20) }));
        Assert.All(
            ["two tensors are called 'twice'", "'__metadata__'", "5000 characters is too long", "not valid Unicode", "big", "64 dimensions", "value of metadata key 'k'", "value of metadata key 'long'", "bytes of data"],
            problem => Assert.Contains(problem, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Plan_AnyTensors_AreReadBackAsTheyWere()
    {
        var tensors = Gen.Elements(Enum.GetValues<DType>())
            .SelectMany(dtype => Gen.Choose(0, 5).ListOf().Select(dims => (dtype, dims)))
            .SelectMany(t => ArbMap.Default.GeneratorFor<NonNull<string>>().Select(name => (t.dtype, t.dims, name: name.Get)))
            .ListOf();
        Check.QuickThrowOnFailure(Prop.ForAll(tensors.ToArbitrary(), list =>
        {
            // A dimension of 8 makes the bits fill whole bytes; names are made valid Unicode and unique.
            var infos = list.Take(40).Select((t, i) => new TensorInfo($"{i}.{Clean(t.name)}", t.dtype, [8, .. t.dims.Take(5).Select(d => (long)d)])).ToArray();
            var layout = SafetensorsLayout.Plan(infos);
            var file = new byte[layout.TotalLength];
            layout.ComposeHeader().CopyTo(file);
            var read = SafetensorsFiles.Parse(file);
            Assert.Equal(layout.Entries.Select(e => (e.Tensor.ToString(), e.FileOffset)).Order(), read.Entries.Select(e => (e.Tensor.ToString(), e.FileOffset)).Order());
            Assert.Equal(infos.Select(i => i.ToString()).Order(StringComparer.Ordinal), read.Entries.Select(e => e.Tensor.ToString()).Order(StringComparer.Ordinal));
        }));
    }

    private static string Clean(string text) => new([.. text.Where(c => !char.IsSurrogate(c))]);
}
