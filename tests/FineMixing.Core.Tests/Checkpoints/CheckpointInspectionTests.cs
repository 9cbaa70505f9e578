using System.Runtime.InteropServices;
using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

public class CheckpointInspectionTests
{
    [Fact]
    public void Inspect_EveryNumericType_GivesItsRange()
    {
        var checkpoint = new StateDict();
        Add(checkpoint, DType.F64, MemoryMarshal.AsBytes<double>([1.5, -2, 1e300]));
        Add(checkpoint, DType.F16, MemoryMarshal.AsBytes<Half>([(Half)1.5, (Half)(-2), (Half)6]));
        Add(checkpoint, DType.BF16, MemoryMarshal.AsBytes<ushort>([0x3FC0, 0xC000, 0x40C0]));
        Add(checkpoint, DType.I8, MemoryMarshal.AsBytes<sbyte>([1, -128, 7]));
        Add(checkpoint, DType.U16, MemoryMarshal.AsBytes<ushort>([1, 65535, 2]));
        Add(checkpoint, DType.I64, MemoryMarshal.AsBytes<long>([1, -(1L << 40), 1L << 50]));
        Add(checkpoint, DType.U64, MemoryMarshal.AsBytes<ulong>([1, 1UL << 63, 0]));
        Add(checkpoint, DType.Bool, [1, 0, 1]);
        var ranges = CheckpointInspection.Inspect(checkpoint).Tensors.ToDictionary(t => t.Tensor.DType, t => (t.Min, t.Max));
        Assert.Equal((-2, 1e300), ranges[DType.F64]);
        Assert.Equal((-2, 6), ranges[DType.F16]);
        Assert.Equal((-2, 6), ranges[DType.BF16]);
        Assert.Equal((-128, 7), ranges[DType.I8]);
        Assert.Equal((1, 65535), ranges[DType.U16]);
        Assert.Equal((-(double)(1L << 40), (double)(1L << 50)), ranges[DType.I64]);
        Assert.Equal((0, 9223372036854775808.0), ranges[DType.U64]);
        Assert.Equal((0, 1), ranges[DType.Bool]);
    }

    [Fact]
    public void Inspect_NonFiniteValuesInALaterPiece_CountsThemAndIgnoresThemOtherwise()
    {
        var values = new float[100_000];
        Array.Fill(values, 2);
        values[1] = 1;
        values[50_000] = float.NaN;
        values[99_998] = float.PositiveInfinity;
        values[99_999] = float.NegativeInfinity;
        var checkpoint = new StateDict("here");
        checkpoint.Add(HostTensor.FromFloat32("w", [100_000], values));
        var inspection = CheckpointInspection.Inspect(checkpoint);
        var w = Assert.Single(inspection.Tensors);
        Assert.Equal((1, 2, 1, 2), (w.Min, w.Max, w.NaNCount, w.InfinityCount));
        Assert.Equal((2.0 * 99_996 + 1) / 99_997, w.Mean!.Value, 1e-12);
        Assert.Equal((100_000, 400_000, 1, 2), (inspection.ElementCount, inspection.ByteLength, inspection.NaNCount, inspection.InfinityCount));
        var error = Assert.Throws<ArgumentException>(() => FiniteCheck.ThrowIfNotFinite(checkpoint));
        Assert.Contains("tensor 'w' has 1 NaN and 2 infinite of 100000 values", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_EmptyTensorAndTypeWithoutNumbers_HaveNoRange()
    {
        var checkpoint = StateDicts.Random(1, new TensorInfo("e", DType.F32, [0]), new TensorInfo("f8", DType.F8E4M3, [3]));
        Assert.All(CheckpointInspection.Inspect(checkpoint).Tensors, t => Assert.Null(t.Mean));
    }

    [Fact]
    public void ThrowIfNotFinite_RealModel_Passes()
    {
        using var model = Checkpoint.Open(SharedData.Path("models", "sst2-word"));
        FiniteCheck.ThrowIfNotFinite(model);
        var pooler = CheckpointInspection.Inspect(model, model.Tensors.Single(t => t.Name == "bert.pooler.dense.weight"));
        Assert.InRange(pooler.Mean!.Value, pooler.Min!.Value, pooler.Max!.Value);
    }

    private static void Add(StateDict checkpoint, DType dtype, ReadOnlySpan<byte> bytes) =>
        checkpoint.Add(new HostTensor(new TensorInfo(dtype.ToString(), dtype, [3]), bytes.ToArray()));
}
