using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace FineMixing.Checkpoints.Adapters;

/// <summary>The change scaling · B·A that an adapter makes to one matrix, worked out row by row.</summary>
/// <param name="Name">The matrix.</param>
/// <param name="A">[r, in] in the adapter.</param>
/// <param name="B">[out, r] in the adapter.</param>
/// <param name="Scaling">The factor.</param>
/// <param name="Transposed">True when the matrix is [in, out]: the change is (B·A) transposed.</param>
internal sealed record LowRankUpdate(string Name, TensorInfo A, TensorInfo B, double Scaling, bool Transposed)
{
    /// <summary>The rank.</summary>
    public int Rank => (int)A.Shape[0];

    /// <summary>Adds a part of one row of the change to values of the matrix.</summary>
    /// <param name="left">One value a row and rank, from <see cref="Left"/>.</param>
    /// <param name="right">One row a rank, from <see cref="Right"/>.</param>
    /// <param name="row">The row.</param>
    /// <param name="firstColumn">The column of the first value.</param>
    /// <param name="columns">The length of a row.</param>
    /// <param name="change">Gets the change, unscaled; as many values as are wanted.</param>
    public void Row(ReadOnlySpan<float> left, ReadOnlySpan<float> right, long row, int firstColumn, int columns, Span<float> change)
    {
        change.Clear();
        for (var k = 0; k < Rank; k++)
            TensorPrimitives.MultiplyAdd(right.Slice((k * columns) + firstColumn, change.Length), left[(int)((row * Rank) + k)], change, change);
    }

    /// <summary>The factor with one row for each row of the matrix: B, or A transposed.</summary>
    public HostTensor Left(ICheckpoint adapter) => Load(adapter, Transposed ? A : B, Transposed);

    /// <summary>The factor with one column for each column of the matrix: A, or B transposed.</summary>
    public HostTensor Right(ICheckpoint adapter) => Load(adapter, Transposed ? B : A, Transposed);

    private static HostTensor Load(ICheckpoint adapter, TensorInfo info, bool transpose)
    {
        var bytes = new byte[info.ByteLength];
        adapter.Read(info, 0, bytes);
        var tensor = new HostTensor(info, bytes).ConvertTo(DType.F32);
        if (!transpose)
            return tensor;
        var (rows, columns) = ((int)info.Shape[0], (int)info.Shape[1]);
        var turned = new float[tensor.Info.ElementCount];
        var values = MemoryMarshal.Cast<byte, float>(tensor.Bytes);
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
                turned[(j * rows) + i] = values[(i * columns) + j];
        }

        return HostTensor.FromFloat32(info.Name, [columns, rows], turned);
    }
}
