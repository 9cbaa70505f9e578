using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using FineMixing.FineTuning;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>What the machine can do.</summary>
internal static class Hardware
{
    // Logs that have been told; one that nobody else holds is forgotten.
    private static readonly ConditionalWeakTable<ILogger, object> _told = [];

    /// <summary>True where the CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX-BF16).</summary>
    public static bool CpuHasBFloat16 { get; } = DetectBFloat16();

    /// <summary>Finds a device by name.</summary>
    /// <exception cref="ArgumentException">The device does not exist here.</exception>
    public static Device Device(string name)
    {
        Native.TorchRuntime.EnsureLoaded();
        if (name == "cpu")
            return CPU;
        var index = 0;
        if (name != "cuda" && !(name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out index)))
            throw new ArgumentException($"Device is '{name}'; expected cpu, cuda or cuda:N.");
        if (!cuda.is_available())
            throw new ArgumentException($"Device is '{name}', but no CUDA device is available: reference TorchSharp-cuda-linux or TorchSharp-cuda-windows, or on Linux name a libtorch with CUDA in FINEMIXING_LIBTORCH, and check the driver; or use cpu.");
        return index < cuda.device_count()
            ? new Device(DeviceType.CUDA, index)
            : throw new ArgumentException($"Device is '{name}', but this machine has {cuda.device_count()} CUDA devices, numbered from 0.");
    }

    /// <summary>Whether matrix products run in bfloat16.</summary>
    /// <param name="precision">What was asked for.</param>
    /// <param name="device">Where they run.</param>
    /// <param name="logger">Told once where bfloat16 was asked for by name and is not there.</param>
    /// <param name="onCpu">Whether the CPU has them; null for this one.</param>
    public static bool UseBFloat16(Precision precision, Device device, ILogger? logger, bool? onCpu = null)
    {
        var supported = device.type == DeviceType.CUDA || (onCpu ?? CpuHasBFloat16);
        if (precision == Precision.BFloat16 && !supported && logger is not null && _told.TryAdd(logger, _told))
            logger.LogWarning("This CPU has no bfloat16 matrix products (AVX512-BF16 or AMX); single precision is used.");
        return precision != Precision.Float32 && supported;
    }

    private static bool DetectBFloat16()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
            return false;
        var hasAvx512 = Avx512F.IsSupported;
        var avx512Bf16 = (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
        var amxBf16 = (X86Base.CpuId(7, 0).Edx & (1 << 22)) != 0;
        return hasAvx512 && (avx512Bf16 || amxBf16);
    }
}
